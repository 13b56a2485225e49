import type { ReactNode } from "react";
import { classes } from "./classes.ts";
import styles from "./Badge.module.css";

export interface BadgeProps {
  readonly tone?: "neutral" | "accent" | "ok" | "warn" | "danger";
  readonly icon?: ReactNode;
  readonly children: ReactNode;
  readonly className?: string | undefined;
}

export function Badge({ tone = "neutral", icon, children, className }: BadgeProps) {
  return (
    <span className={classes(styles.badge, styles[tone], className)}>
      {icon}
      {children}
    </span>
  );
}
