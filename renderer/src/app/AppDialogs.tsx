import { lazy, Suspense, type ComponentType } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { Dialog } from "../ui/Dialog.tsx";
import { FaultNote } from "../ui/FaultNote.tsx";
import { About } from "./About.tsx";
import { Crash } from "./Crash.tsx";
import { closeDialog, openDialog, shownFault, type AppDialog } from "./dialogs.ts";
import { ErrorBoundary } from "./ErrorBoundary.tsx";

const Palette = lazy(() => import("../features/palette/Palette.tsx"));
const ShortcutSheet = lazy(() => import("../features/help/ShortcutSheet.tsx"));
const Diagnostics = lazy(() => import("../features/help/Diagnostics.tsx"));
const ProjectsDialog = lazy(() => import("../features/home/ProjectsDialog.tsx"));

export interface AppDialogProps {
  readonly onClose: () => void;
}

const DIALOGS: Readonly<Record<AppDialog, ComponentType<AppDialogProps>>> = { palette: Palette, shortcuts: ShortcutSheet, diagnostics: Diagnostics, projects: ProjectsDialog, about: About };

/** The dialogs of `dialogs.ts`, loaded when they are opened. */
export function AppDialogs() {
  const { t } = useTranslation();
  const dialog = useStore(openDialog, (state) => state.dialog);
  const Shown = dialog === null ? null : DIALOGS[dialog];
  return (
    <>
      <ErrorBoundary
        key={dialog}
        fallback={(error) => (
          <Dialog open onClose={closeDialog} title={t("app.details")}>
            <Crash error={error} />
          </Dialog>
        )}
      >
        <Suspense fallback={null}>{Shown !== null && <Shown onClose={closeDialog} />}</Suspense>
      </ErrorBoundary>
      <FaultDialog />
    </>
  );
}

function FaultDialog() {
  const { t } = useTranslation();
  const fault = useStore(shownFault, (state) => state.fault);
  return (
    <Dialog open={fault !== null} onClose={() => shownFault.setState({ fault: null })} title={t("app.details")}>
      {fault !== null && <FaultNote fault={fault} />}
    </Dialog>
  );
}
