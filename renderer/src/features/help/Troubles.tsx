import { useState } from "react";
import { useTranslation } from "react-i18next";
import { client } from "../../rpc/client.ts";
import { lastOf, useAct, useCall } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { FaultNote } from "../../ui/FaultNote.tsx";
import styles from "./Diagnostics.module.css";

type Trouble = Awaited<ReturnType<typeof client.diagnostics.troubles>>[number];

/** What the studio finds wrong with machine, engine and the last jobs, each with the button that helps. Nothing when all is well. */
export function Troubles() {
  const { t } = useTranslation();
  const { state, again } = useCall("troubles", (signal) => client.diagnostics.troubles(undefined, { signal }));
  const list = lastOf(state) ?? [];
  return (
    <div className={styles.troubles}>
      {state.kind === "failed" && <FaultNote fault={state.fault} />}
      {state.kind === "done" && list.length === 0 && <p role="status">{t("diagnostics.noTroubles")}</p>}
      {list.map((trouble, index) => (
        <TroubleNote key={`${trouble.fault.code}-${String(index)}`} trouble={trouble} onHelped={again} />
      ))}
    </div>
  );
}

function TroubleNote({ trouble, onHelped }: { readonly trouble: Trouble; readonly onHelped: () => void }) {
  const { t } = useTranslation();
  const { busy, fault, act } = useAct();
  const [answer, setAnswer] = useState<string | null>(null);
  const { action } = trouble;
  const help = async () => {
    if (action === null) return;
    const done = await act(async () => setAnswer((await client.diagnostics.help({ action, jobId: trouble.jobId })).text));
    if (done) onHelped();
  };
  return (
    <>
      <FaultNote
        fault={trouble.fault}
        action={
          action !== null && (
            <Button size="small" busy={busy} onClick={help}>
              {t(`diagnostics.action.${action}`)}
            </Button>
          )
        }
      />
      {answer !== null && (
        <p role="status" className="selectable">
          {answer}
        </p>
      )}
      {fault !== null && <FaultNote fault={fault} />}
    </>
  );
}
