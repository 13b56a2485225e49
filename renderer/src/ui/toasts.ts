import { createStore } from "zustand/vanilla";

/** News that need no decision: "Copied". What needs one stands where it belongs, as a FaultNote or a dialog. */
export interface Toast {
  readonly id: number;
  readonly text: string;
  /** One thing that goes with the news, such as undoing it. */
  readonly action?: { readonly label: string; readonly run: () => void };
}

let nextId = 1;

export const toasts = createStore<{ readonly list: readonly Toast[] }>(() => ({ list: [] }));

export function showToast(text: string, action?: Toast["action"]): void {
  const toast: Toast = { id: nextId, text, ...(action !== undefined && { action }) };
  nextId += 1;
  // More than three at once are noise.
  toasts.setState(({ list }) => ({ list: [...list.slice(-2), toast] }));
}

export function dismissToast(id: number): void {
  toasts.setState(({ list }) => ({ list: list.filter((toast) => toast.id !== id) }));
}
