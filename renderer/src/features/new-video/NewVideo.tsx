import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { MediaFile } from "../../../../electron/contract/document/project-document.schema.ts";
import type { FileSource } from "../../../../electron/contract/rpc.ts";
import { navigate } from "../../app/navigation.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";
import { kindOfFile } from "../../rpc/upload.ts";
import { Button } from "../../ui/Button.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import { draftOf, withPortrait, withVoice, type Draft } from "./draft.ts";
import { takeDropped } from "./dropped-files.ts";
import styles from "./NewVideo.module.css";
import { PortraitColumn } from "./PortraitColumn.tsx";
import { PromptColumn } from "./PromptColumn.tsx";
import { StartBar } from "./StartBar.tsx";
import { useDraft, type DraftProject } from "./use-draft.ts";
import { useMaterial } from "./use-material.ts";
import { VoiceColumn } from "./VoiceColumn.tsx";

const NO_DRAFT: Draft = { portrait: null, voice: null, prompt: "", frames: 0, edited: false };

/** Portrait, voice and prompt side by side: everything a video needs on one screen. */
export default function NewVideo({ projectId }: { readonly projectId: string | null }) {
  const { t } = useTranslation();
  const project = useDraft(projectId);
  if (project.fault !== null) {
    return (
      <div className={styles.trouble}>
        <FaultNote fault={project.fault} action={<Button onClick={() => navigate({ page: "home" })}>{t("app.place.home")}</Button>} />
      </div>
    );
  }
  if (project.opening) return <EmptyState icon={<Spinner size={24} />} title={t("app.loading")} />;
  return <Columns project={project} />;
}

function Columns({ project }: { readonly project: DraftProject }) {
  const { t } = useTranslation();
  const { session, ensure } = project;
  const draft = useDraftState(session);
  const portrait = useMaterial("picture", async (source, signal) => {
    const { editor } = await ensure();
    const media = await importMedia(editor.store.getState().projectId, source, signal);
    if (media.kind === "image") editor.edit(withPortrait(editor.store.getState().history.present, media), { label: { key: "newVideo.step.portrait", values: {} } });
  });
  const voice = useMaterial("recording", async (source, signal) => {
    const { editor } = await ensure();
    const media = await importMedia(editor.store.getState().projectId, source, signal);
    if (media.kind === "audio") editor.edit(withVoice(editor.store.getState().history.present, media), { label: { key: "newVideo.step.voice", values: {} } });
  });

  // A picture dropped on the voice is meant as the portrait: each file goes where it belongs, what belongs nowhere is refused where it fell.
  const take = (files: readonly File[], droppedOn: "portrait" | "voice") => {
    for (const file of files) {
      const kind = kindOfFile(file);
      const target = kind === "picture" ? portrait : kind === "recording" ? voice : droppedOn === "portrait" ? portrait : voice;
      target.takeFile(file);
    }
  };
  const firstDrop = useRef(take);
  useEffect(() => firstDrop.current(takeDropped(), "portrait"), []);

  return (
    <div className={styles.screen}>
      <h1 className="visually-hidden">{t("actions.newVideo")}</h1>
      {draft.edited && session !== null && (
        <p className={styles.edited} role="status">
          {t("newVideo.edited")}
          <Button size="small" onClick={() => navigate({ page: "studio", projectId: session.editor.store.getState().projectId })}>
            {t("newVideo.toStudio")}
          </Button>
        </p>
      )}
      <div className={styles.columns}>
        <PortraitColumn session={session} portrait={draft.portrait} material={portrait} onFiles={(files) => take(files, "portrait")} />
        <VoiceColumn session={session} voice={draft.voice} material={voice} onFiles={(files) => take(files, "voice")} />
        <PromptColumn session={session} prompt={draft.prompt} ensure={ensure} />
      </div>
      <StartBar session={session} draft={draft} busy={portrait.state.kind === "working" || voice.state.kind === "working"} />
    </div>
  );
}

function useDraftState(session: EditorSession | null): Draft {
  return useStore(session?.editor.store ?? NOTHING, (state) => ("history" in state ? draftOfCached(state.history.present) : NO_DRAFT));
}

/** One draft object for one document: a store compares by identity. */
const drafts = new WeakMap<object, Draft>();
function draftOfCached(document: Parameters<typeof draftOf>[0]): Draft {
  const known = drafts.get(document) ?? draftOf(document);
  drafts.set(document, known);
  return known;
}

const NOTHING = { getState: () => ({}), getInitialState: () => ({}), setState: () => undefined, subscribe: () => () => undefined };

async function importMedia(projectId: string, source: FileSource, signal: AbortSignal): Promise<MediaFile> {
  return (await client.media.import({ projectId, source }, { signal })).media;
}
