import type { ComponentProps, ReactNode } from "react";
import styles from "./Button.module.css";
import { classes } from "./classes.ts";
import { Spinner } from "./Spinner.tsx";

export interface ButtonProps extends ComponentProps<"button"> {
  /** `primary` once a screen; `quiet` inside of lists and toolbars. */
  readonly variant?: "primary" | "secondary" | "quiet" | "danger";
  readonly size?: "small" | "normal" | "large";
  readonly icon?: ReactNode;
  /** Shows that it works; it cannot be pressed twice. */
  readonly busy?: boolean;
}

export function Button({ variant = "secondary", size = "normal", icon, busy = false, className, children, disabled, type = "button", ...rest }: ButtonProps) {
  return (
    <button {...rest} type={type} disabled={disabled === true || busy} aria-busy={busy || undefined} className={classes(styles.button, styles[variant], styles[size], className)}>
      {busy ? <Spinner /> : icon}
      {children !== undefined && <span className={styles.label}>{children}</span>}
    </button>
  );
}
