import type { ComponentType } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { Dialog } from "../ui/Dialog.tsx";
import { FaultNote } from "../ui/FaultNote.tsx";
import { About } from "./About.tsx";
import { closeDialog, openDialog, shownFault, type AppDialog } from "./dialogs.ts";
import { GuardedDialog } from "./GuardedDialog.tsx";
import { lazyPart } from "./lazy-part.ts";

const Palette = lazyPart(() => import("../features/palette/Palette.tsx"));
const ShortcutSheet = lazyPart(() => import("../features/help/ShortcutSheet.tsx"));
const Diagnostics = lazyPart(() => import("../features/help/Diagnostics.tsx"));
const ProjectsDialog = lazyPart(() => import("../features/home/ProjectsDialog.tsx"));

export interface AppDialogProps {
  readonly onClose: () => void;
}

const DIALOGS: Readonly<Record<AppDialog, ComponentType<AppDialogProps>>> = { palette: Palette, shortcuts: ShortcutSheet, diagnostics: Diagnostics, projects: ProjectsDialog, about: About };

/** The dialogs of `dialogs.ts`, each a part of its own. */
export function AppDialogs() {
  const dialog = useStore(openDialog, (state) => state.dialog);
  const Shown = dialog === null ? null : DIALOGS[dialog];
  return (
    <>
      {Shown !== null && (
        <GuardedDialog key={dialog} onClose={closeDialog}>
          <Shown onClose={closeDialog} />
        </GuardedDialog>
      )}
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
