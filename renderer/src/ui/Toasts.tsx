import { X } from "lucide-react";
import { Toast as Primitive } from "radix-ui";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { Button } from "./Button.tsx";
import { IconButton } from "./IconButton.tsx";
import { dismissToast, toasts } from "./toasts.ts";
import styles from "./Toasts.module.css";

const SHOWN_MILLISECONDS = 6_000;

/** Once, in the page's frame. */
export function Toasts() {
  const { t } = useTranslation();
  const list = useStore(toasts, (state) => state.list);
  return (
    <Primitive.Provider duration={SHOWN_MILLISECONDS} label={t("app.notifications")}>
      {list.map((toast) => (
        <Primitive.Root key={toast.id} className={styles.toast} onOpenChange={(open) => !open && dismissToast(toast.id)}>
          <Primitive.Description>{toast.text}</Primitive.Description>
          {toast.action !== undefined && (
            <Primitive.Action asChild altText={toast.action.label}>
              <Button variant="quiet" size="small" onClick={toast.action.run}>
                {toast.action.label}
              </Button>
            </Primitive.Action>
          )}
          <Primitive.Close asChild>
            <IconButton label={t("common.close")} icon={<X />} size="small" />
          </Primitive.Close>
        </Primitive.Root>
      ))}
      <Primitive.Viewport className={styles.viewport} label={t("app.notifications")} />
    </Primitive.Provider>
  );
}
