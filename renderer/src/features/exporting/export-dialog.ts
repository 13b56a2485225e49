import { createStore } from "zustand/vanilla";

/** Whether the export dialog is open. */
export const exportDialog = createStore<{ readonly open: boolean }>(() => ({ open: false }));
