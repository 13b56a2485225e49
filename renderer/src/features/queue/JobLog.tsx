import { useTranslation } from "react-i18next";
import { client } from "../../rpc/client.ts";
import { lastOf, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import styles from "./Queue.module.css";

export function JobLog({ jobId, onClose }: { readonly jobId: string; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const { state, again } = useCall(jobId, (signal) => client.jobs.log({ jobId }, { signal }));
  return (
    <Dialog open onClose={onClose} size="large" title={t("queue.log")} footer={<Button onClick={again}>{t("queue.refresh")}</Button>}>
      {state.kind === "failed" && <FaultNote fault={state.fault} />}
      <pre className={styles.log} tabIndex={0} role="region" aria-label={t("queue.log")}>
        {lastOf(state)?.text ?? t("app.loading")}
      </pre>
    </Dialog>
  );
}
