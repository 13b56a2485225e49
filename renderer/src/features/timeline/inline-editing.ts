import { createStore, type StoreApi } from "zustand/vanilla";

/** The text that is being edited on the timeline itself; one at a time. */
export type InlineEdit =
  | { readonly kind: "prompt"; readonly segmentId: string }
  /** Becomes a segment only when something is typed and kept. */
  | { readonly kind: "newPrompt"; readonly start: number; readonly duration: number }
  | { readonly kind: "marker"; readonly markerId: string }
  | { readonly kind: "track"; readonly trackId: string };

export const inlineEditing: StoreApi<{ readonly edit: InlineEdit | null }> = createStore(() => ({ edit: null }));

export const editInline = (edit: InlineEdit | null): void => inlineEditing.setState({ edit });
