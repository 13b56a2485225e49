import { Plus } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { CaptionsFile } from "../../../../electron/contract/document/project-document.schema.ts";
import type { CaptionsSource, VideoCaptions } from "../../../../electron/contract/jobs.schema.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";
import { ACCEPTED_TYPES, sourceOfFile } from "../../rpc/upload.ts";
import { useAct } from "../../rpc/use-call.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { Select } from "../../ui/Select.tsx";
import { FilePicker } from "../new-video/FilePicker.tsx";
import styles from "./ExportDialog.module.css";

/** Ids of files never begin with a colon. */
const [NONE, MARKERS] = [":none", ":markers"] as const;

interface SourceProps {
  readonly session: EditorSession;
  readonly files: readonly CaptionsFile[];
  readonly readOnly: boolean;
  /** Null for none, where that is possible. */
  readonly value: CaptionsSource | null;
  readonly onChange: (source: CaptionsSource | null) => void;
  readonly optional: boolean;
}

/** Where captions come from, with a button that adds a file to the project. */
function SourceField({ session, files, readOnly, value, onChange, optional }: SourceProps) {
  const { t } = useTranslation();
  const { busy, fault, act, clear } = useAct();
  const add = (file: File) =>
    act(async () => {
      const { projectId } = session.editor.store.getState();
      const { media } = await client.media.import({ projectId, source: await sourceOfFile(file) });
      session.editor.edit({ type: "addMedia", media });
      if (media.kind === "captions") onChange({ kind: "file", mediaId: media.id });
    });
  return (
    <>
      <div className={styles.row}>
        <Select
          labelShown
          className={styles.grow}
          label={t("exporting.captions.label")}
          value={value === null ? NONE : value.kind === "markers" ? MARKERS : value.mediaId}
          options={[
            ...(optional ? [{ value: NONE as string, label: t("exporting.captions.none") }] : []),
            { value: MARKERS, label: t("exporting.captions.markers") },
            ...files.map(({ id, name }) => ({ value: id, label: name })),
          ]}
          onChange={(chosen) => onChange(chosen === NONE ? null : chosen === MARKERS ? { kind: "markers" } : { kind: "file", mediaId: chosen })}
        />
        <FilePicker accept={ACCEPTED_TYPES.captions} icon={<Plus size={14} />} busy={busy} disabled={readOnly} onFile={(file) => void add(file)}>
          {t("exporting.captions.add")}
        </FilePicker>
      </div>
      {fault !== null && <FaultNote fault={fault} onDismiss={clear} />}
    </>
  );
}

type Shared = Pick<SourceProps, "session" | "files" | "readOnly">;

/** Captions of a video: from where, and whether beside it or inside. */
export function VideoCaptionsFields({ value, onChange, ...shared }: Shared & { readonly value: VideoCaptions | null; readonly onChange: (captions: VideoCaptions | null) => void }) {
  const { t } = useTranslation();
  return (
    <>
      <SourceField {...shared} optional value={value?.source ?? null} onChange={(source) => onChange(source === null ? null : { source, place: value?.place ?? "beside" })} />
      {value !== null && (
        <>
          <Segmented
            label={t("exporting.captions.place")}
            value={value.place}
            options={[
              { value: "beside", label: t("exporting.captions.beside") },
              { value: "track", label: t("exporting.captions.track") },
            ]}
            onChange={(place) => onChange({ ...value, place })}
          />
          <p className={styles.note}>{t(`exporting.captions.hint.${value.place}`)}</p>
        </>
      )}
    </>
  );
}

/** A captions file of its own: from where, and in which form. */
export function CaptionsFileFields({ value, onChange, ...shared }: Shared & { readonly value: { readonly source: CaptionsSource; readonly type: "srt" | "vtt" }; readonly onChange: (captions: { readonly source: CaptionsSource; readonly type: "srt" | "vtt" }) => void }) {
  const { t } = useTranslation();
  return (
    <>
      <SourceField {...shared} optional={false} value={value.source} onChange={(source) => source !== null && onChange({ ...value, source })} />
      <Segmented
        label={t("exporting.captions.type")}
        value={value.type}
        options={[
          { value: "srt", label: "SRT" },
          { value: "vtt", label: "WebVTT" },
        ]}
        onChange={(type) => onChange({ ...value, type })}
      />
    </>
  );
}
