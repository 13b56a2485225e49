import type { ReactNode } from "react";
import { Button, type ButtonProps } from "./Button.tsx";
import styles from "./Button.module.css";
import { classes } from "./classes.ts";
import { Tooltip } from "./Tooltip.tsx";

export interface IconButtonProps extends Omit<ButtonProps, "children" | "icon"> {
  /** Name for screen readers and the tooltip. */
  readonly label: string;
  readonly icon: ReactNode;
  /** Keys as shown to the user; comes with an action's `useAction`. */
  readonly shortcut?: string | undefined;
  /** For a switch: whether it is on. */
  readonly pressed?: boolean | undefined;
}

export function IconButton({ label, icon, shortcut, pressed, variant = "quiet", className, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label} shortcut={shortcut}>
      <Button {...rest} variant={variant} icon={icon} aria-label={label} aria-pressed={pressed} className={classes(styles.icon, pressed === true && styles.pressed, className)} />
    </Tooltip>
  );
}
