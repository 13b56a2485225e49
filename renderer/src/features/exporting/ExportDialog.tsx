import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { Quality } from "../../../../electron/contract/document/project-document.schema.ts";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import type { CaptionsSource } from "../../../../electron/contract/jobs.schema.ts";
import { secondsOfFrames, timecode } from "../../../../electron/contract/time.ts";
import { shell } from "../../app/shell.ts";
import { chooseTarget } from "../../app/targets.ts";
import { type EditorSession, useEditor } from "../../editor/editor-session.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { shownOutput } from "../../editor/shown-output.ts";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { Select } from "../../ui/Select.tsx";
import { Switch } from "../../ui/Switch.tsx";
import { startRender } from "../studio/start-render.ts";
import { CaptionsFileFields, VideoCaptionsFields } from "./CaptionsFields.tsx";
import { ClipsNote } from "./ClipsNote.tsx";
import { exportDialog } from "./export-dialog.ts";
import styles from "./ExportDialog.module.css";
import { ExportProgress } from "./ExportProgress.tsx";
import { endingOf, type ExportChoice, fileKindOf, filterOf, type Format, FORMATS, readinessOf, requestOf, spanOf } from "./request.ts";

const WIDTHS = [320, 480, 640, 960] as const;

/** Makes a file of the video: what kind, how much of it, in which quality; then how far it is. */
export function ExportDialog() {
  const { t } = useTranslation();
  const session = useSession();
  const open = useStore(exportDialog, (state) => state.open);
  const [jobId, setJobId] = useState<string | null>(null);
  const close = () => {
    exportDialog.setState({ open: false });
    setJobId(null);
  };
  return (
    <Dialog open={open} onClose={close} title={t("exporting.title")}>
      {open && (jobId === null ? <ExportForm session={session} onClose={close} onStarted={setJobId} /> : <ExportProgress jobId={jobId} onClose={close} onAgain={() => setJobId(null)} />)}
    </Dialog>
  );
}

function ExportForm({ session, onClose, onStarted }: { readonly session: EditorSession; readonly onClose: () => void; readonly onStarted: (jobId: string) => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const state = useEditor(session, (all) => all);
  const { document, projectId, readOnly } = state;
  const hasFinal = state.outputs.some((output) => output.quality === "final" && output.clips.length > 0);
  const [quality, setQuality] = useState<Quality>(hasFinal ? "final" : "preview");
  const files = document.media.flatMap((media) => (media.kind === "captions" ? [media] : []));
  const [choice, setChoice] = useState<ExportChoice>(() => {
    const [file] = files;
    const source: CaptionsSource = file === undefined ? { kind: "markers" } : { kind: "file", mediaId: file.id };
    // A captions file was added for the video: it goes with it.
    return { format: "mp4", onlyRange: false, width: 480, videoCaptions: file === undefined ? null : { source, place: "beside" }, captions: { source, type: "srt" } };
  });
  const change = (changes: Partial<ExportChoice>) => setChoice((before) => ({ ...before, ...changes }));
  const exporting = useAct();
  const rendering = useAct();
  const { range } = document;
  const extent = { frames: framesOfProject(document), range, playhead: session.playhead.get() };
  const pictures = choice.format !== "wav" && choice.format !== "captions";
  const span = spanOf(choice, extent);
  const readiness = pictures ? readinessOf(shownOutput({ ...state, quality }), span) : null;
  const useStale = readiness !== null && readiness.stale.length > 0;
  const outcome = requestOf(choice, extent, useStale);
  const possible = "request" in outcome && (readiness === null || readiness.missing === 0);
  const ending = endingOf(choice);

  const start = () =>
    exporting.act(async () => {
      if (!("request" in outcome)) return;
      const target = await chooseTarget({ kind: fileKindOf(choice.format), title: t("exporting.title"), suggestedName: `${document.name}.${ending}`, filters: [filterOf(ending)] });
      if (target === null) return;
      await session.editor.saved();
      onStarted((await client.jobs.export({ projectId, quality, request: outcome.request, target })).jobId);
    });
  const captionsProps = { session, files, readOnly };

  return (
    <div className={styles.form}>
      <Select
        labelShown
        label={t("exporting.format")}
        value={choice.format}
        options={FORMATS.map((format) => ({ value: format, label: t(`exporting.formats.${format}.name`), hint: t(`exporting.formats.${format}.hint`) }))}
        onChange={(format: Format) => change({ format })}
      />
      <p className={styles.note}>{t(`exporting.formats.${choice.format}.hint`)}</p>
      {pictures && (
        <Segmented
          label={t("exporting.qualityLabel")}
          value={quality}
          options={[
            { value: "final", label: t("exporting.quality.final") },
            { value: "preview", label: t("exporting.quality.preview") },
          ]}
          onChange={setQuality}
        />
      )}
      {pictures && quality === "preview" && <p className={styles.warning}>{t("exporting.previewWarning")}</p>}
      {readiness !== null && <ClipsNote readiness={readiness} busy={rendering.busy} onRender={() => void rendering.act(() => startRender(session, quality, { kind: "stale" }))} />}
      {rendering.fault !== null && <FaultNote fault={rendering.fault} onDismiss={rendering.clear} />}
      {choice.format !== "png" && (
        <Switch
          label={t("exporting.onlyRange")}
          hint={range === null ? t("exporting.noRange") : `${timecode(range.start)} – ${timecode(range.end)}`}
          checked={choice.onlyRange && range !== null}
          disabled={range === null}
          onChange={(onlyRange) => change({ onlyRange })}
        />
      )}
      {(choice.format === "webm" || choice.format === "gif") && (
        <Select
          labelShown
          label={t("exporting.width")}
          value={String(choice.width)}
          options={WIDTHS.map((width) => ({ value: String(width), label: t("exporting.pixels", { width }) }))}
          onChange={(width) => change({ width: Number(width) })}
        />
      )}
      {choice.format === "mp4" && <VideoCaptionsFields {...captionsProps} value={choice.videoCaptions} onChange={(videoCaptions) => change({ videoCaptions })} />}
      {choice.format === "captions" && <CaptionsFileFields {...captionsProps} value={choice.captions} onChange={(captions) => change({ captions })} />}
      {choice.format !== "png" && <p className={styles.note}>{t("exporting.length", { length: formats.clock(secondsOfFrames(span.end - span.start)) })}</p>}
      {"problem" in outcome && <p className={styles.warning}>{t(`exporting.problem.${outcome.problem}`)}</p>}
      {exporting.fault !== null && <FaultNote fault={exporting.fault} />}
      <div className={styles.buttons}>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button variant="primary" busy={exporting.busy} disabled={!possible} onClick={() => void start()}>
          {t(useStale ? "exporting.startAnyway" : shell === null ? "exporting.start" : "exporting.startWithTarget")}
        </Button>
      </div>
    </div>
  );
}
