import { X } from "lucide-react";
import { AlertDialog, Dialog as Primitive } from "radix-ui";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./Button.tsx";
import { classes } from "./classes.ts";
import styles from "./Dialog.module.css";
import { IconButton } from "./IconButton.tsx";
import { DialogLayer } from "./menu-layer.ts";

export interface DialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  /** One sentence below the title. */
  readonly description?: string;
  readonly size?: "small" | "normal" | "large";
  readonly footer?: ReactNode;
  readonly children: ReactNode;
}

export function Dialog({ open, onClose, title, description, size = "normal", footer, children }: DialogProps) {
  const { t } = useTranslation();
  const [layer, setLayer] = useState<HTMLElement | null>(null);
  return (
    <Primitive.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Primitive.Portal>
        <Primitive.Overlay className={styles.overlay} />
        <Primitive.Content className={classes(styles.dialog, styles[size])} onOpenAutoFocus={focusField} {...(description === undefined && { "aria-describedby": undefined })}>
          <header className={styles.header}>
            <Primitive.Title className={styles.title}>{title}</Primitive.Title>
            <Primitive.Close asChild>
              <IconButton label={t("common.close")} icon={<X />} size="small" />
            </Primitive.Close>
          </header>
          {description !== undefined && <Primitive.Description className={styles.description}>{description}</Primitive.Description>}
          <DialogLayer value={layer}>
            <div className={styles.body}>{children}</div>
            {footer !== undefined && <footer className={styles.footer}>{footer}</footer>}
          </DialogLayer>
          <div ref={setLayer} />
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

/**
 * A dialog that asks for something has the focus there, any other on itself. On its Close button, whose tooltip would open,
 * the first Escape would only close the tooltip.
 */
function focusField(event: Event): void {
  const dialog = event.currentTarget;
  if (!(dialog instanceof HTMLElement)) return;
  event.preventDefault();
  (dialog.querySelector<HTMLElement>("input, textarea") ?? dialog).focus();
}

export interface ConfirmDialogProps {
  readonly open: boolean;
  readonly title: string;
  readonly description: string;
  /** What the button does, as a verb: "Remove". */
  readonly action: string;
  readonly danger?: boolean;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

/** Asks before what cannot be undone. The way back has the focus. */
export function ConfirmDialog({ open, title, description, action, danger = false, onConfirm, onCancel }: ConfirmDialogProps) {
  const { t } = useTranslation();
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && onCancel()}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className={styles.overlay} />
        <AlertDialog.Content className={classes(styles.dialog, styles.small)}>
          <header className={styles.header}>
            <AlertDialog.Title className={styles.title}>{title}</AlertDialog.Title>
          </header>
          <AlertDialog.Description className={styles.description}>{description}</AlertDialog.Description>
          <footer className={styles.footer}>
            <AlertDialog.Cancel asChild>
              <Button>{t("common.cancel")}</Button>
            </AlertDialog.Cancel>
            <Button variant={danger ? "danger" : "primary"} onClick={onConfirm}>
              {action}
            </Button>
          </footer>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
