import { Info, TriangleAlert, X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { useFaultText } from "../i18n/server-texts.ts";
import { classes } from "./classes.ts";
import styles from "./FaultNote.module.css";
import { IconButton } from "./IconButton.tsx";

export interface FaultNoteProps {
  readonly fault: Fault;
  /** `note` for what only should be known. */
  readonly tone?: "danger" | "note";
  /** The one button that helps. */
  readonly action?: ReactNode;
  readonly onDismiss?: () => void;
}

/** What happened, why, and what to do, where it happened. The code is what to quote when asking for help. */
export function FaultNote({ fault, tone = "danger", action, onDismiss }: FaultNoteProps) {
  const { t } = useTranslation();
  const { what, why, hint } = useFaultText(fault);
  const Icon = tone === "danger" ? TriangleAlert : Info;
  return (
    <div className={classes(styles.note, styles[tone])} role={tone === "danger" ? "alert" : "status"}>
      <Icon size={16} aria-hidden="true" className={styles.icon} />
      <div className={classes(styles.text, "selectable")}>
        <p className={styles.what}>{what}</p>
        {why !== "" && <p>{why}</p>}
        {hint !== "" && <p>{hint}</p>}
        <p className={styles.code}>{fault.code}</p>
        {action !== undefined && <div className={styles.action}>{action}</div>}
      </div>
      {onDismiss !== undefined && <IconButton label={t("common.dismiss")} icon={<X />} size="small" onClick={onDismiss} />}
    </div>
  );
}
