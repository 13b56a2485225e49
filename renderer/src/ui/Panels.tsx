import type { ReactNode } from "react";
import { Group, Panel, Separator, type Layout } from "react-resizable-panels";
import { classes } from "./classes.ts";
import styles from "./Panels.module.css";

export interface PanelDescription {
  readonly id: string;
  readonly content: ReactNode;
  /** Percent of the group. */
  readonly defaultSize: number;
  /** Pixels. */
  readonly minSize: number;
  /** Name for screen readers: each panel is a region of the page. */
  readonly label?: string;
}

export interface PanelsProps {
  /** The sizes are remembered under it. */
  readonly id: string;
  readonly direction: "horizontal" | "vertical";
  readonly panels: readonly PanelDescription[];
  /** Name of the handle between two panels. */
  readonly handleLabel: string;
}

const storageKey = (id: string): string => `avatar-studio.panels.${id}`;

function savedLayout(id: string): Layout | undefined {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(storageKey(id)) ?? "null");
    const valid = typeof saved === "object" && saved !== null && Object.values(saved).every((size) => typeof size === "number");
    return valid ? (saved as Layout) : undefined;
  } catch {
    return undefined;
  }
}

/** Panels side by side or above each other, with handles for mouse and arrow keys. */
export function Panels({ id, direction, panels, handleLabel }: PanelsProps) {
  const saved = savedLayout(id);
  const fits = saved !== undefined && panels.every((panel) => panel.id in saved);
  return (
    <Group
      id={id}
      orientation={direction}
      {...(fits && { defaultLayout: saved })}
      onLayoutChanged={(layout) => localStorage.setItem(storageKey(id), JSON.stringify(layout))}
      className={styles.group}
    >
      {panels.map((panel, index) => (
        <PanelWithHandle key={panel.id} first={index === 0} panel={panel} direction={direction} handleLabel={handleLabel} />
      ))}
    </Group>
  );
}

function PanelWithHandle({ first, panel, direction, handleLabel }: { readonly first: boolean; readonly panel: PanelDescription; readonly direction: PanelsProps["direction"]; readonly handleLabel: string }) {
  return (
    <>
      {!first && <Separator className={classes(styles.handle, styles[direction])} aria-label={handleLabel} />}
      <Panel id={panel.id} defaultSize={`${String(panel.defaultSize)}%`} minSize={`${String(panel.minSize)}px`} className={styles.panel} {...(panel.label !== undefined && { role: "region", "aria-label": panel.label })}>
        {panel.content}
      </Panel>
    </>
  );
}
