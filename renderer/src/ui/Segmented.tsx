import { RadioGroup } from "radix-ui";
import type { ReactNode } from "react";
import { classes } from "./classes.ts";
import styles from "./Segmented.module.css";

export interface SegmentedProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string; readonly icon?: ReactNode; readonly disabled?: boolean }[];
  readonly onChange: (value: Value) => void;
  readonly size?: "small" | "normal";
}

/** One of a few, all in sight. */
export function Segmented<Value extends string>({ label, value, options, onChange, size = "normal" }: SegmentedProps<Value>) {
  const change = (next: string) => {
    const option = options.find((one) => one.value === next);
    if (option !== undefined) onChange(option.value);
  };
  return (
    <RadioGroup.Root className={classes(styles.group, size === "small" && styles.small)} aria-label={label} value={value} onValueChange={change} orientation="horizontal">
      {options.map((option) => (
        <RadioGroup.Item key={option.value} value={option.value} disabled={option.disabled === true} className={styles.item}>
          {option.icon}
          {option.label}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  );
}
