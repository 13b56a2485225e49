import { Dices } from "lucide-react";
import { useTranslation } from "react-i18next";
import { LIMITS } from "../../../../electron/contract/document/limits.ts";
import type { Quality } from "../../../../electron/contract/document/project-document.schema.ts";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import { FRAMES_PER_BLOCK, secondsOfFrames, timecode } from "../../../../electron/contract/time.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { useFormats } from "../../i18n/index.ts";
import { models } from "../../rpc/streams.ts";
import { useLatest } from "../../rpc/stream.ts";
import { IconButton } from "../../ui/IconButton.tsx";
import { Select } from "../../ui/Select.tsx";
import { useModelNote } from "../setup/model-note.ts";
import styles from "./Inspector.module.css";
import { Facts, Section, TypedField } from "./parts.tsx";

/** Sizes worth a button; any other can be typed. */
const SIZES = ["384*256", "480*832", "832*480", "688*368", "704*384", "720*400", "704*704"] as const;
const STEPS = Array.from({ length: LIMITS.sampleSteps.max }, (_, index) => index + 1);

/** What holds for the whole video. */
export function ProjectInspector({ session }: { readonly session: EditorSession }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const name = useEditor(session, (state) => state.document.name);
  const settings = useEditor(session, (state) => state.document.settings);
  const frames = useEditor(session, (state) => framesOfProject(state.document));
  const readOnly = useEditor(session, (state) => state.readOnly);
  const available = useLatest(models) ?? [];
  const { editor } = session;
  const noteOf = useModelNote();
  const changeSeed = (text: string) => (/^\d{1,15}$/.test(text.trim()) && editor.edit({ type: "changeSettings", change: { baseSeed: Number(text) } }) ? null : t("inspector.seedInvalid"));
  const changeClip = (text: string) => (editor.edit({ type: "changeSettings", change: { inferFrames: Number(text) } }) ? null : t("inspector.clipFramesInvalid"));
  const known = available.some((model) => model.id === settings.modelId);
  return (
    <>
      <Section title={t("inspector.project")}>
        <TypedField label={t("inspector.name")} value={name} disabled={readOnly} onCommit={(next) => (editor.edit({ type: "renameProject", name: next }) ? null : t("inspector.notPossible"))} />
        <Facts
          facts={[
            [t("inspector.length"), `${timecode(frames)} (${formats.clock(secondsOfFrames(frames))})`],
            [t("inspector.frameRate"), t("inspector.frameRateValue")],
          ]}
        />
        <Select
          labelShown
          label={t("inspector.model")}
          value={settings.modelId}
          disabled={readOnly}
          options={[...(known ? [] : [{ value: settings.modelId, label: settings.modelId }]), ...available.map((model) => ({ value: model.id, label: model.name, hint: noteOf(model) }))]}
          onChange={(modelId) => editor.edit({ type: "changeSettings", change: { modelId } })}
        />
      </Section>
      <QualitySection session={session} quality="preview" />
      <QualitySection session={session} quality="final" />
      <Section title={t("inspector.repeatability")}>
        <div className={styles.withButton}>
          <TypedField label={t("inspector.seed")} value={String(settings.baseSeed)} disabled={readOnly} hint={t("inspector.seedNote")} onCommit={changeSeed} />
          <IconButton label={t("inspector.newSeed")} icon={<Dices />} disabled={readOnly} onClick={() => editor.edit({ type: "changeSettings", change: { baseSeed: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 } })} />
        </div>
        <TypedField label={t("inspector.clipFrames")} value={String(settings.inferFrames)} disabled={readOnly} hint={t("inspector.clipFramesNote", { block: FRAMES_PER_BLOCK })} onCommit={changeClip} />
      </Section>
    </>
  );
}

function QualitySection({ session, quality }: { readonly session: EditorSession; readonly quality: Quality }) {
  const { t } = useTranslation();
  const readOnly = useEditor(session, (state) => state.readOnly);
  const { width, height, sampleSteps } = useEditor(session, (state) => state.document.settings[quality]);
  const size = `${String(width)}*${String(height)}`;
  const change = (text: string): string | null => {
    const match = /^\s*(\d{2,5})\s*[*x×]\s*(\d{2,5})\s*$/i.exec(text);
    if (match === null) return t("inspector.sizeInvalid");
    return session.editor.edit({ type: "changeQuality", quality, change: { width: Number(match[1]), height: Number(match[2]) } }) ? null : t("inspector.sizeInvalid");
  };
  const listId = `sizes-${quality}`;
  return (
    <Section title={t(`exporting.quality.${quality}`)}>
      <TypedField label={t("inspector.sizeBudget")} value={size} disabled={readOnly} hint={t("inspector.sizeNote")} list={listId} onCommit={change} />
      <datalist id={listId}>
        {SIZES.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Select
        label={t("inspector.steps")}
        value={String(sampleSteps)}
        disabled={readOnly}
        options={STEPS.map((steps) => ({ value: String(steps), label: t("inspector.stepsValue", { count: steps }) }))}
        onChange={(steps) => session.editor.edit({ type: "changeQuality", quality, change: { sampleSteps: Number(steps) } })}
      />
    </Section>
  );
}
