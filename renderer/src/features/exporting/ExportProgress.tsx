import { useTranslation } from "react-i18next";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { shell } from "../../app/shell.ts";
import { download } from "../../app/targets.ts";
import { useFormats } from "../../i18n/index.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { client } from "../../rpc/client.ts";
import { useLatest } from "../../rpc/stream.ts";
import { jobs } from "../../rpc/streams.ts";
import { useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Progress } from "../../ui/Progress.tsx";
import styles from "./ExportDialog.module.css";

/** How far an export is, and what can be done with its files. */
export function ExportProgress({ jobId, onClose, onAgain }: { readonly jobId: string; readonly onClose: () => void; readonly onAgain: () => void }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const sayIt = useSaid();
  const { fault, act } = useAct();
  const job: Job | null = useLatest(jobs)?.find((one) => one.id === jobId) ?? null;
  const state = job?.state ?? null;
  const finished = state?.status === "finished";
  const ended = finished || state?.status === "failed" || state?.status === "cancelled";
  const result = useCall(finished ? jobId : null, (signal) => client.jobs.resultUrl({ jobId }, { signal })).state;
  const failure: Fault | null = fault ?? (state?.status === "failed" ? state.fault : result.kind === "failed" ? result.fault : null);
  // In the desktop program the files are where the user wanted them already.
  const { url, captionsUrl } = result.kind === "done" && shell === null ? result.value : { url: null, captionsUrl: null };
  return (
    <div className={styles.form}>
      {failure === null ? (
        <>
          <p role="status">{finished ? t("exporting.finished", { bytes: formats.bytes(state.bytes) }) : state?.status === "running" ? sayIt(state.said, state.doing) : t("exporting.waiting")}</p>
          {finished && job?.warnings.map((warning) => <p key={warning.text} className={styles.note}>{sayIt(warning)}</p>)}
          {!finished && <Progress label={t("exporting.progress")} share={state?.status === "running" ? state.clipShare : null} />}
        </>
      ) : (
        <FaultNote fault={failure} />
      )}
      <div className={styles.buttons}>
        {!ended && <Button onClick={() => void act(() => client.jobs.cancel({ jobId }))}>{t("common.cancel")}</Button>}
        {finished && shell !== null && <Button onClick={() => void act(() => client.jobs.reveal({ jobId }))}>{t("exporting.reveal")}</Button>}
        {captionsUrl !== null && <Button onClick={() => download(captionsUrl)}>{t("exporting.downloadCaptions")}</Button>}
        {url !== null && <Button onClick={() => download(url)}>{t("exporting.download")}</Button>}
        {ended && !finished && <Button onClick={onAgain}>{t("exporting.back")}</Button>}
        <Button variant="primary" onClick={onClose}>
          {ended ? t("common.close") : t("exporting.background")}
        </Button>
      </div>
    </div>
  );
}
