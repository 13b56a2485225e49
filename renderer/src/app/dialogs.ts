import { createStore } from "zustand/vanilla";
import type { Fault } from "../../../electron/contract/fault.schema.ts";

/** Dialogs that can be opened from everywhere; one at a time. */
export type AppDialog = "palette" | "shortcuts" | "diagnostics" | "projects" | "about";

export const openDialog = createStore<{ readonly dialog: AppDialog | null }>(() => ({ dialog: null }));
export const showDialog = (dialog: AppDialog): void => openDialog.setState({ dialog });
export const closeDialog = (): void => openDialog.setState({ dialog: null });

/** A fault whose whole text is shown in a dialog. */
export const shownFault = createStore<{ readonly fault: Fault | null }>(() => ({ fault: null }));
