import { Suspense, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "../ui/Dialog.tsx";
import { Crash } from "./Crash.tsx";
import { ErrorBoundary } from "./ErrorBoundary.tsx";

/** A dialog that is a part of its own: one that fails leaves the screen below it, and the edits there, alone. */
export function GuardedDialog({ onClose, children }: { readonly onClose: () => void; readonly children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <ErrorBoundary
      fallback={(error) => (
        <Dialog open onClose={onClose} title={t("app.details")}>
          <Crash error={error} />
        </Dialog>
      )}
    >
      <Suspense fallback={null}>{children}</Suspense>
    </ErrorBoundary>
  );
}
