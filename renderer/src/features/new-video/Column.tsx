import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../../ui/Button.tsx";
import { classes } from "../../ui/classes.ts";
import { FaultNote } from "../../ui/FaultNote.tsx";
import { useFileDrop } from "../../ui/use-file-drop.ts";
import { Progress } from "../../ui/Progress.tsx";
import styles from "./NewVideo.module.css";
import type { Material } from "./use-material.ts";

export interface ColumnProps {
  readonly number: number;
  readonly title: string;
  readonly done: boolean;
  readonly onFiles?: (files: readonly File[]) => void;
  readonly children: ReactNode;
}

/** One of the three columns; it takes dropped files when it is told what to do with them. */
export function Column({ number, title, done, onFiles, children }: ColumnProps) {
  const drop = useFileDrop((files) => onFiles?.(files));
  return (
    <section className={classes(styles.column, drop.over && onFiles !== undefined && styles.over)} aria-label={title} {...(onFiles !== undefined && drop.handlers)}>
      <h2 className={styles.columnTitle}>
        <span className={classes(styles.number, done && styles.numberDone)} aria-hidden="true">
          {number}
        </span>
        {title}
      </h2>
      {children}
    </section>
  );
}

/** Progress or failure of bringing a file in, in its column. */
export function MaterialStatus({ material, label }: { readonly material: Material; readonly label: string }) {
  const { t } = useTranslation();
  const { state } = material;
  switch (state.kind) {
    case "idle":
      return null;
    case "failed":
      return <FaultNote fault={state.fault} onDismiss={material.cancel} />;
    case "working":
      return (
        <div className={styles.working} role="status">
          <span>{label}</span>
          <Progress label={label} share={state.share} />
          <Button size="small" variant="quiet" onClick={material.cancel}>
            {t("common.cancel")}
          </Button>
        </div>
      );
  }
}
