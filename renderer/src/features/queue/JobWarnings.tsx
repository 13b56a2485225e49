import { useTranslation } from "react-i18next";
import type { Job } from "../../../../electron/contract/jobs.schema.ts";
import { useSaid } from "../../i18n/server-texts.ts";
import styles from "./Queue.module.css";

/** More than these are folded away: the row stays a row. */
const SHOWN = 3;

/** What a job was warned about. Read aloud when one comes, without interrupting; there are no toasts, as nothing has to be decided. */
export function JobWarnings({ warnings }: { readonly warnings: Job["warnings"] }) {
  const { t } = useTranslation();
  const sayIt = useSaid();
  const rows = (some: Job["warnings"]) => some.map((warning) => <li key={`${warning.code} ${warning.text}`}>{sayIt(warning)}</li>);
  return (
    <div className={styles.warnings} aria-live="polite">
      {warnings.length > 0 && <ul aria-label={t("common.severity.warning")}>{rows(warnings.slice(-SHOWN))}</ul>}
      {warnings.length > SHOWN && (
        <details>
          <summary>{t("queue.moreWarnings", { count: warnings.length - SHOWN })}</summary>
          <ul aria-label={t("common.severity.warning")}>{rows(warnings.slice(0, -SHOWN))}</ul>
        </details>
      )}
    </div>
  );
}
