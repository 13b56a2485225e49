import { useTranslation } from "react-i18next";
import { LIMITS } from "../../../../electron/contract/document/limits.ts";
import { useFormats } from "../../i18n/index.ts";
import { Slider } from "../../ui/Slider.tsx";
import styles from "./Inspector.module.css";

interface GainFieldProps {
  readonly label: string;
  /** Decibels. */
  readonly value: number;
  readonly disabled: boolean;
  readonly onChange: (decibels: number) => void;
  readonly onCommit: (decibels: number) => void;
}

/** A volume in decibels; the drag is shown at once and is one step when it is let go. */
export function GainField({ label, value, disabled, onChange, onCommit }: GainFieldProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const shown = t("inspector.decibels", { value: `${value > 0 ? "+" : ""}${formats.number(value, 1)}` });
  return (
    <div className={styles.gain}>
      <span className={styles.label}>{label}</span>
      <Slider label={label} value={value} min={LIMITS.gainDecibels.min} max={LIMITS.gainDecibels.max} step={0.5} valueText={shown} disabled={disabled} onChange={onChange} onCommit={onCommit} />
      <output className={styles.value}>{shown}</output>
    </div>
  );
}
