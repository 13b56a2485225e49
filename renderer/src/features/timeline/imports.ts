import { createStore, type StoreApi } from "zustand/vanilla";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";

/** Files on their way into the timeline, and the last one that did not get there. */
export interface Imports {
  readonly running: readonly string[];
  readonly failed: { readonly name: string; readonly reason: { readonly kind: "fault"; readonly fault: Fault } | { readonly kind: "wrongKind" } } | null;
}

export const imports: StoreApi<Imports> = createStore(() => ({ running: [], failed: null }));
