import { Progress as Primitive } from "radix-ui";
import { classes } from "./classes.ts";
import styles from "./Progress.module.css";

export interface ProgressProps {
  readonly label: string;
  /** 0 to 1, or null when nobody knows. */
  readonly share: number | null;
  readonly tone?: "accent" | "ok" | "muted" | "danger";
  readonly className?: string | undefined;
}

export function Progress({ label, share, tone = "accent", className }: ProgressProps) {
  const percent = share === null ? null : Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <Primitive.Root className={classes(styles.progress, className)} value={percent} max={100} aria-label={label}>
      <Primitive.Indicator className={classes(styles.bar, styles[tone], percent === null && styles.unknown)} style={percent === null ? undefined : { width: `${String(percent)}%` }} />
    </Primitive.Root>
  );
}
