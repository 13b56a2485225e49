import type { View } from "../../../editor/view.ts";

/** Pixels from the edge where dragging scrolls, and how far at most per screen refresh. */
const ZONE = 36;
const MOST_PIXELS = 20;
/** Rows are low: the zones above and below them are, too. */
const ROW_ZONE = 18;
const MOST_ROW_PIXELS = 8;

/** While something is dragged and the pointer rests at an edge, the timeline runs past under it, and the rows where they do not fit. */
export class EdgeScroll {
  readonly #view: View;
  readonly #scroller: HTMLElement;
  #request = 0;

  constructor(view: View, scroller: HTMLElement) {
    this.#view = view;
    this.#scroller = scroller;
  }

  /**
   * @param x pixels from the left edge of the tracks
   * @param y pixels below the ruler, as seen on the screen
   * @param height pixels of the rows that can be seen
   * @param onScroll called after each step: the pointer is on another frame or row then
   */
  follow(x: number, y: number, height: number, onScroll: () => void): void {
    this.stop();
    const { width } = this.#view.store.getState();
    const [across, down] = [speedAt(x, width, ZONE, MOST_PIXELS), speedAt(y, height, ROW_ZONE, MOST_ROW_PIXELS)];
    if (across === 0 && down === 0) return;
    const step = () => {
      const before = { frame: this.#view.store.getState().scale.scroll, top: this.#scroller.scrollTop };
      if (across !== 0) this.#view.setScale((scale) => ({ ...scale, scroll: scale.scroll + across / scale.pixelsPerFrame }));
      if (down !== 0) this.#scroller.scrollTop += down;
      // At the ends of the timeline and of the tracks there is nothing more to come.
      if (this.#view.store.getState().scale.scroll === before.frame && this.#scroller.scrollTop === before.top) return;
      onScroll();
      this.#request = requestAnimationFrame(step);
    };
    this.#request = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.#request);
  }
}

/** Pixels per screen refresh at `place` of `length`: none in the middle, more the further past the zone's edge; negative at the beginning. */
export function speedAt(place: number, length: number, zone: number, most: number): number {
  // What is smaller than both zones has a middle all the same.
  const reach = Math.min(zone, length / 4);
  const past = place < reach ? place - reach : place > length - reach ? place - (length - reach) : 0;
  return past === 0 ? 0 : Math.sign(past) * Math.min(1, Math.abs(past) / zone) * most;
}
