import { Check } from "lucide-react";
import { Checkbox as CheckboxPrimitive, Switch as SwitchPrimitive } from "radix-ui";
import { useId, type ReactNode } from "react";
import styles from "./Switch.module.css";

export interface SwitchProps {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly disabled?: boolean;
}

/** Takes effect at once. */
export function Switch({ label, hint, checked, onChange, disabled = false }: SwitchProps) {
  const id = useId();
  return (
    <div className={styles.row}>
      <span>
        <label htmlFor={id}>{label}</label>
        {hint !== undefined && (
          <span id={`${id}-hint`} className={styles.hint}>
            {hint}
          </span>
        )}
      </span>
      <SwitchPrimitive.Root id={id} className={styles.switch} checked={checked} onCheckedChange={onChange} disabled={disabled} aria-describedby={hint === undefined ? undefined : `${id}-hint`}>
        <SwitchPrimitive.Thumb className={styles.thumb} />
      </SwitchPrimitive.Root>
    </div>
  );
}

/** One of several ticks that a button then uses. */
export function Checkbox({ label, hint, checked, onChange, disabled = false }: SwitchProps) {
  const id = useId();
  return (
    <div className={styles.tick}>
      <CheckboxPrimitive.Root id={id} className={styles.box} checked={checked} onCheckedChange={(next) => onChange(next === true)} disabled={disabled} aria-describedby={hint === undefined ? undefined : `${id}-hint`}>
        <CheckboxPrimitive.Indicator>
          <Check size={14} strokeWidth={3} aria-hidden="true" />
        </CheckboxPrimitive.Indicator>
      </CheckboxPrimitive.Root>
      <span>
        <label htmlFor={id}>{label}</label>
        {hint !== undefined && (
          <span id={`${id}-hint`} className={styles.hint}>
            {hint}
          </span>
        )}
      </span>
    </div>
  );
}
