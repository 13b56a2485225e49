import { CircleCheck, Info, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Finding } from "../../../electron/contract/fault.schema.ts";
import { useFindingText } from "../i18n/server-texts.ts";
import styles from "./FindingList.module.css";

const ICONS = { ok: CircleCheck, note: Info, warning: TriangleAlert } as const;

/** Judged measurements: what was measured, what is wanted. They advise; nothing is blocked by them. */
export function FindingList({ findings, label }: { readonly findings: readonly Finding[]; readonly label: string }) {
  return (
    <ul className={styles.list} aria-label={label}>
      {findings.map((finding, index) => (
        <FindingRow key={`${finding.code}-${String(index)}`} finding={finding} />
      ))}
    </ul>
  );
}

function FindingRow({ finding }: { readonly finding: Finding }) {
  const { t } = useTranslation();
  const text = useFindingText(finding);
  const Icon = ICONS[finding.severity];
  return (
    <li className={styles.row} data-severity={finding.severity}>
      <Icon size={14} aria-hidden="true" className={styles.icon} />
      <span className={styles.text}>
        <span className="visually-hidden">{t(`common.severity.${finding.severity}`)}: </span>
        {text}
        {finding.severity !== "ok" && finding.wanted !== null && <span className={styles.wanted}>{t("common.wanted", { what: finding.wanted })}</span>}
      </span>
      {finding.measured !== null && <span className={styles.measured}>{finding.measured}</span>}
    </li>
  );
}
