import { createStore } from "zustand/vanilla";

/** What is open above the studio, so that commands can open it too. */
export const studioDialogs = createStore<{ readonly render: boolean }>(() => ({ render: false }));
