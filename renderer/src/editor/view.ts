import { createStore, type StoreApi } from "zustand/vanilla";
import { clampScale, type Scale } from "./scale.ts";

/** How the timeline is looked at. Not part of the document, not undone, not saved. */
export interface ViewState {
  readonly scale: Scale;
  /** Width of the tracks in CSS pixels; 0 until the timeline is on screen. */
  readonly width: number;
  /** Frames up to the end of the last thing on the timeline. */
  readonly length: number;
  readonly snapping: boolean;
  /** Deleting and trimming closes the gap it leaves. */
  readonly ripple: boolean;
}

export interface View {
  readonly store: StoreApi<ViewState>;
  /** Sets zoom and scroll, kept within what there is to see. */
  readonly setScale: (change: (scale: Scale, view: ViewState) => Scale) => void;
  readonly setWidth: (width: number) => void;
  readonly setLength: (length: number) => void;
  readonly setSnapping: (snapping: boolean) => void;
  readonly setRipple: (ripple: boolean) => void;
}

export function createView(): View {
  const store = createStore<ViewState>(() => ({ scale: { pixelsPerFrame: 1, scroll: 0 }, width: 0, length: 0, snapping: true, ripple: false }));
  return {
    store,
    setScale: (change) =>
      store.setState((view) => {
        const scale = clampScale(change(view.scale, view), view.width, view.length);
        return scale.scroll === view.scale.scroll && scale.pixelsPerFrame === view.scale.pixelsPerFrame ? view : { scale };
      }),
    // A new size does not move what is shown: only the next change of zoom or scroll is kept within bounds again.
    setWidth: (width) => store.setState((view) => (view.width === width ? view : { width })),
    setLength: (length) => store.setState((view) => (view.length === length ? view : { length })),
    setSnapping: (snapping) => store.setState({ snapping }),
    setRipple: (ripple) => store.setState({ ripple }),
  };
}
