import type { View } from "../../../editor/view.ts";

/** Pixels from the edge where dragging scrolls, and how far at most per screen refresh. */
const ZONE = 36;
const MOST_PIXELS = 20;

/** While something is dragged and the pointer rests at an edge, the timeline runs past under it. */
export class EdgeScroll {
  readonly #view: View;
  #request = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** @param x pixels from the left edge of the tracks. @param onScroll called after each step: the pointer is on another frame then */
  follow(x: number, onScroll: () => void): void {
    this.stop();
    const { width } = this.#view.store.getState();
    const past = x < ZONE ? x - ZONE : x > width - ZONE ? x - (width - ZONE) : 0;
    if (past === 0) return;
    const pixels = Math.sign(past) * Math.min(1, Math.abs(past) / ZONE) * MOST_PIXELS;
    const step = () => {
      const before = this.#view.store.getState().scale.scroll;
      this.#view.setScale((scale) => ({ ...scale, scroll: scale.scroll + pixels / scale.pixelsPerFrame }));
      // At the end of the timeline there is nothing more to come.
      if (this.#view.store.getState().scale.scroll === before) return;
      onScroll();
      this.#request = requestAnimationFrame(step);
    };
    this.#request = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.#request);
  }
}
