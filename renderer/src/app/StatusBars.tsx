import { CloudOff, RotateCw } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { client, connection, faultOf, reconnectNow } from "../rpc/client.ts";
import { useLatest } from "../rpc/stream.ts";
import { worker } from "../rpc/streams.ts";
import { Button } from "../ui/Button.tsx";
import { FaultNote } from "../ui/FaultNote.tsx";
import { Spinner } from "../ui/Spinner.tsx";
import { showFaultToast } from "./fault-toast.ts";
import styles from "./StatusBars.module.css";

/** A blink of the line is nobody's business. */
const PATIENCE_MILLISECONDS = 800;

/** What holds for the whole page: the server cannot be reached, or the engine is not well. */
export function StatusBars() {
  return (
    <>
      <ConnectionBar />
      <WorkerBar />
    </>
  );
}

function ConnectionBar() {
  const { t } = useTranslation();
  const state = useStore(connection, (store) => store.state);
  const away = state.kind !== "open";
  // For which interruption the patience is over.
  const [overdue, setOverdue] = useState<typeof state | null>(null);
  useEffect(() => {
    if (!away) return;
    const timer = setTimeout(() => setOverdue(state), PATIENCE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [away, state]);
  if (!away || overdue !== state) return null;
  return (
    <div className={styles.bar} role="status">
      <CloudOff size={16} aria-hidden="true" />
      <span>{t(state.kind === "lost" ? "app.reconnecting" : "app.connecting")}</span>
      <Button size="small" onClick={reconnectNow}>
        {t("app.reconnectNow")}
      </Button>
      <Button size="small" variant="quiet" onClick={() => window.location.reload()}>
        {t("app.reload")}
      </Button>
    </div>
  );
}

function WorkerBar() {
  const { t } = useTranslation();
  const state = useLatest(worker);
  const restart = () => client.system.restartWorker().then(undefined, (error: unknown) => showFaultToast(faultOf(error)));
  switch (state?.status) {
    case "restarting":
      return (
        <div className={styles.bar} role="status">
          <Spinner />
          <span>{t("app.workerRestarting", { attempt: state.attempt })}</span>
        </div>
      );
    case "failed":
      return (
        <div className={styles.note}>
          <FaultNote
            fault={state.fault}
            action={
              <Button size="small" icon={<RotateCw />} onClick={restart}>
                {t("app.restartWorker")}
              </Button>
            }
          />
        </div>
      );
    case "stopped":
    case "starting":
    case "ready":
    case "busy":
    case undefined:
      return null;
  }
}
