import { CircleCheck, Info } from "lucide-react";
import { useTranslation } from "react-i18next";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { SetupCheck } from "../../../../electron/contract/machine.schema.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import { client } from "../../rpc/client.ts";
import { useStream } from "../../rpc/stream.ts";
import { setupChecks } from "../../rpc/streams.ts";
import { useAct } from "../../rpc/use-call.ts";
import { Button } from "../../ui/Button.tsx";
import { classes } from "../../ui/classes.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { Spinner } from "../../ui/Spinner.tsx";
import styles from "./Setup.module.css";

/** Whether the program is complete, with a button for what can be mended. */
export function Checks() {
  const { t } = useTranslation();
  const stream = useStream(setupChecks);
  const checks = stream.kind === "live" ? stream.value : stream.kind === "failed" ? stream.last : null;
  return (
    <section className={styles.section} aria-labelledby="runtime-heading">
      <h2 id="runtime-heading">{t("setup.checks")}</h2>
      {stream.kind === "failed" && <FaultNote fault={stream.fault} action={<Button onClick={setupChecks.restart}>{t("common.retry")}</Button>} />}
      {checks === null ? (
        stream.kind === "waiting" && <p role="status">{t("home.areaChecking")}</p>
      ) : (
        <ul className={styles.list}>
          {checks.map((check) => (
            <Check key={check.id} check={check} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Check({ check }: { readonly check: SetupCheck }) {
  const { t } = useTranslation();
  const sayIt = useSaid();
  const { state } = check;
  switch (state.kind) {
    case "checking":
      return (
        <li className={styles.check}>
          <Spinner />
          <span className={styles.checkText}>
            {t("common.named", { name: t(`setup.area.${check.area}`), text: state.said === undefined ? t("home.areaChecking") : sayIt(state.said) })}
          </span>
        </li>
      );
    case "ok":
    case "note": {
      const Icon = state.kind === "ok" ? CircleCheck : Info;
      return (
        <li className={classes(styles.check, state.kind === "ok" ? styles.good : styles.quiet)}>
          <Icon size={16} aria-hidden="true" />
          <span className={styles.checkText}>
            <span className="visually-hidden">{t(state.kind === "ok" ? "common.severity.ok" : "common.severity.note")}: </span>
            {sayIt(state.said)}
          </span>
        </li>
      );
    }
    case "failed":
      return <FailedCheck id={check.id} state={state} />;
    default:
      return assertNever(state);
  }
}

function FailedCheck({ id, state }: { readonly id: string; readonly state: Extract<SetupCheck["state"], { kind: "failed" }> }) {
  const { t } = useTranslation();
  const { busy, fault, act } = useAct();
  return (
    <li>
      <FaultNote
        fault={state.fault}
        action={
          state.fix !== null && (
            <Button size="small" busy={busy} onClick={() => act(() => client.system.fix({ checkId: id }))}>
              {t(`setup.fix.${state.fix}`)}
            </Button>
          )
        }
      />
      {fault !== null && <FaultNote fault={fault} />}
    </li>
  );
}
