import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import type { Quality } from "../../../../electron/contract/document/project-document.schema.ts";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { secondsOfFrames, timecode } from "../../../../electron/contract/time.ts";
import { chooseTarget, download } from "../../app/targets.ts";
import { shell } from "../../app/shell.ts";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";
import { shownOutput } from "../../editor/shown-output.ts";
import { useSession } from "../../editor/SessionProvider.tsx";
import { useFormats } from "../../i18n/index.ts";
import { client } from "../../rpc/client.ts";
import { jobs } from "../../rpc/streams.ts";
import { useLatest } from "../../rpc/stream.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Progress } from "../../ui/Progress.tsx";
import { Segmented } from "../../ui/Segmented.tsx";
import { Select } from "../../ui/Select.tsx";
import { Switch } from "../../ui/Switch.tsx";
import { exportDialog } from "./export-dialog.ts";
import styles from "./ExportDialog.module.css";
import { fileKindOf, filterOf, FORMATS, requestOf, type ExportChoice, type Format } from "./request.ts";

const WIDTHS = [320, 480, 640, 960] as const;

/** Makes a file of the video: what kind, how much of it, in which quality; then how far it is. */
export function ExportDialog() {
  const { t } = useTranslation();
  const session = useSession();
  const open = useStore(exportDialog, (state) => state.open);
  const close = () => exportDialog.setState({ open: false });
  return (
    <Dialog open={open} onClose={close} title={t("exporting.title")}>
      {open && <ExportForm session={session} onClose={close} />}
    </Dialog>
  );
}

function ExportForm({ session, onClose }: { readonly session: EditorSession; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const state = useEditor(session, (all) => all);
  const { document, projectId } = state;
  const hasFinal = state.outputs.some((output) => output.quality === "final" && output.clips.length > 0);
  const [quality, setQuality] = useState<Quality>(hasFinal ? "final" : "preview");
  const [choice, setChoice] = useState<ExportChoice>({ format: "mp4", onlyRange: false, width: 480 });
  const [jobId, setJobId] = useState<string | null>(null);
  const { busy, fault, act } = useAct();
  const frames = framesOfProject(document);
  const { range } = document;
  const outcome = requestOf(choice, frames, range, session.playhead.get());
  const pictures = choice.format !== "wav" && choice.format !== "srt";
  const lane = shownOutput({ ...state, quality });
  const notFresh = lane.cells.length - lane.counts.fresh;

  const start = () =>
    act(async () => {
      if (!("request" in outcome)) return;
      const target = await chooseTarget({ kind: fileKindOf(choice.format), title: t("exporting.title"), suggestedName: `${document.name}.${choice.format}`, filters: [filterOf(choice.format)] });
      if (target === null) return;
      await session.editor.saved();
      const started = await client.jobs.export({ projectId, quality, request: outcome.request, target });
      setJobId(started.jobId);
    });

  if (jobId !== null) return <ExportProgress jobId={jobId} onClose={onClose} onAgain={() => setJobId(null)} />;
  const length = "request" in outcome && "range" in outcome.request && outcome.request.range !== null ? outcome.request.range.end - outcome.request.range.start : frames;
  return (
    <div className={styles.form}>
      <Select
        label={t("exporting.format")}
        value={choice.format}
        options={FORMATS.map((format) => ({ value: format, label: t(`exporting.formats.${format}.name`), hint: t(`exporting.formats.${format}.hint`) }))}
        onChange={(format: Format) => setChoice({ ...choice, format })}
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
      {pictures && notFresh > 0 && <p className={styles.warning}>{t("exporting.notFresh", { count: notFresh, total: lane.cells.length })}</p>}
      {choice.format !== "png" && choice.format !== "srt" && (
        <Switch
          label={t("exporting.onlyRange")}
          hint={range === null ? t("exporting.noRange") : `${timecode(range.start)} – ${timecode(range.end)}`}
          checked={choice.onlyRange && range !== null}
          disabled={range === null}
          onChange={(onlyRange) => setChoice({ ...choice, onlyRange })}
        />
      )}
      {(choice.format === "webm" || choice.format === "gif") && (
        <Select
          label={t("exporting.width")}
          value={String(choice.width)}
          options={WIDTHS.map((width) => ({ value: String(width), label: t("exporting.pixels", { width }) }))}
          onChange={(width) => setChoice({ ...choice, width: Number(width) })}
        />
      )}
      {choice.format !== "png" && choice.format !== "srt" && <p className={styles.note}>{t("exporting.length", { length: formats.clock(secondsOfFrames(length)) })}</p>}
      {"problem" in outcome && <p className={styles.warning}>{t(`exporting.problem.${outcome.problem}`)}</p>}
      {fault !== null && <FaultNote fault={fault} />}
      <div className={styles.buttons}>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button variant="primary" busy={busy} disabled={!("request" in outcome)} onClick={() => void start()}>
          {shell === null ? t("exporting.start") : t("exporting.startWithTarget")}
        </Button>
      </div>
    </div>
  );
}

function ExportProgress({ jobId, onClose, onAgain }: { readonly jobId: string; readonly onClose: () => void; readonly onAgain: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { fault, act } = useAct();
  const job: Job | null = useLatest(jobs)?.find((one) => one.id === jobId) ?? null;
  const state = job?.state ?? null;
  const share = state?.status === "finished" ? 1 : state?.status === "running" ? state.clipShare : null;
  const failure: Fault | null = fault ?? (state?.status === "failed" ? state.fault : null);
  const ended = state?.status === "finished" || state?.status === "failed" || state?.status === "cancelled";
  return (
    <div className={styles.form}>
      {failure === null ? (
        <>
          <p role="status">{state?.status === "finished" ? t("exporting.finished", { bytes: formats.bytes(state.bytes) }) : state?.status === "running" ? state.doing : t("exporting.waiting")}</p>
          {state?.status !== "finished" && <Progress label={t("exporting.progress")} share={share} />}
        </>
      ) : (
        <FaultNote fault={failure} />
      )}
      <div className={styles.buttons}>
        {!ended && <Button onClick={() => void act(() => client.jobs.cancel({ jobId }))}>{t("common.cancel")}</Button>}
        {state?.status === "finished" && <Button onClick={() => void act(() => save(jobId))}>{shell === null ? t("exporting.download") : t("exporting.reveal")}</Button>}
        {ended && state.status !== "finished" && <Button onClick={onAgain}>{t("exporting.back")}</Button>}
        <Button variant="primary" onClick={onClose}>
          {ended ? t("common.close") : t("exporting.background")}
        </Button>
      </div>
    </div>
  );
}

async function save(jobId: string): Promise<void> {
  if (shell !== null) await client.jobs.reveal({ jobId });
  else download((await client.jobs.resultUrl({ jobId })).url);
}
