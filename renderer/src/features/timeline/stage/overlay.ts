import { timecode } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { frameOfX, xOfFrame } from "../../../editor/scale.ts";
import { RULER_HEIGHT } from "../geometry/rows.ts";
import styles from "./Overlay.module.css";

/** A rectangle over the tracks: frames across, pixels of the rows down. */
export interface MarqueeBox {
  readonly startFrame: number;
  readonly endFrame: number;
  readonly top: number;
  readonly bottom: number;
}

/** What a gesture shows while it lasts. */
export interface Feedback {
  /** Line where something snaps; null hides it. */
  readonly guide: number | null;
  readonly marquee: MarqueeBox | null;
  /** Numbers beside the pointer. */
  readonly label: string | null;
  /** Where what is dragged from elsewhere would lie, and in which row; `frames` is null while its length is not known. */
  readonly drop: { readonly frame: number; readonly frames: number | null; readonly top: number; readonly height: number } | null;
}

export const NO_FEEDBACK: Feedback = { guide: null, marquee: null, label: null, drop: null };

const LABEL_DISTANCE = 14;

/**
 * Lines and boxes above the canvases: playhead, time under the pointer, snapping guide, marquee, numbers. They are plain
 * elements moved by transforms, at most once per screen refresh; nothing below them is drawn anew.
 */
export class Overlay {
  readonly #session: EditorSession;
  readonly #layer = element("div", styles.layer);
  readonly #playhead = element("div", styles.playhead);
  readonly #hover = element("div", styles.hover);
  readonly #hoverTime = element("span", styles.hoverTime);
  readonly #hoverText = new Text();
  readonly #guide = element("div", styles.guide);
  readonly #marquee = element("div", styles.marquee);
  readonly #drop = element("div", styles.drop);
  readonly #label = element("div", styles.label);
  readonly #labelText = new Text();
  #feedback: Feedback = NO_FEEDBACK;
  #pointer: { readonly x: number; readonly y: number } | null = null;
  #request = 0;
  #flipped = false;

  constructor(session: EditorSession) {
    this.#session = session;
    this.#hoverTime.append(this.#hoverText);
    this.#hover.append(this.#hoverTime);
    this.#label.append(this.#labelText);
    // Everything here is said in words elsewhere: the time code field, the list of segments, the status line.
    this.#layer.setAttribute("aria-hidden", "true");
    this.#layer.append(this.#hover, this.#drop, this.#marquee, this.#guide, this.#playhead, this.#label);
  }

  mount(parent: HTMLElement): void {
    parent.append(this.#layer);
    this.refresh();
  }

  show(feedback: Partial<Feedback>): void {
    this.#feedback = { ...this.#feedback, ...feedback };
    this.refresh();
  }

  clear(): void {
    this.show(NO_FEEDBACK);
  }

  /** Pixels from the top left of the tracks, ruler included; null when the pointer is elsewhere. */
  setPointer(pointer: { readonly x: number; readonly y: number } | null): void {
    this.#pointer = pointer;
    this.refresh();
  }

  refresh(): void {
    this.#request ||= requestAnimationFrame(() => {
      this.#request = 0;
      this.#write();
    });
  }

  dispose(): void {
    cancelAnimationFrame(this.#request);
    this.#layer.remove();
  }

  #write(): void {
    const { scale, width } = this.#session.view.store.getState();
    const inSight = (x: number) => x >= -1 && x <= width + 1;
    const x = xOfFrame(scale, this.#session.playhead.get());
    place(this.#playhead, inSight(x) ? `translateX(${String(x)}px)` : null);

    const pointer = this.#pointer;
    const hoverX = pointer === null ? null : Math.min(width, Math.max(0, pointer.x));
    place(this.#hover, hoverX === null ? null : `translateX(${String(hoverX)}px)`);
    if (hoverX !== null) {
      const time = timecode(Math.max(0, Math.floor(frameOfX(scale, hoverX))));
      write(this.#hoverText, time);
      // Near the right edge the time stands on the left of the line.
      const flipped = hoverX > width - 96;
      if (flipped !== this.#flipped) this.#hoverTime.classList.toggle(styles.flipped ?? "", (this.#flipped = flipped));
    }

    const { guide, marquee, label, drop } = this.#feedback;
    place(this.#guide, guide !== null && inSight(xOfFrame(scale, guide)) ? `translateX(${String(xOfFrame(scale, guide))}px)` : null);
    if (marquee !== null) {
      const [left, right] = [Math.max(-2, xOfFrame(scale, marquee.startFrame)), Math.min(width + 2, xOfFrame(scale, marquee.endFrame))];
      size(this.#marquee, right - left, marquee.bottom - marquee.top);
      place(this.#marquee, `translate(${String(left)}px, ${String(RULER_HEIGHT + marquee.top)}px)`);
    } else place(this.#marquee, null);
    if (drop !== null) {
      const left = Math.max(-2, xOfFrame(scale, drop.frame));
      const right = drop.frames === null ? width : Math.min(width + 2, xOfFrame(scale, drop.frame + drop.frames));
      size(this.#drop, right - left, drop.height);
      place(this.#drop, `translate(${String(left)}px, ${String(RULER_HEIGHT + drop.top)}px)`);
      this.#drop.classList.toggle(styles.open ?? "", drop.frames === null);
    } else place(this.#drop, null);
    if (label !== null && pointer !== null) {
      write(this.#labelText, label);
      place(this.#label, `translate(${String(Math.min(pointer.x + LABEL_DISTANCE, width - 150))}px, ${String(pointer.y + LABEL_DISTANCE)}px)`);
    } else place(this.#label, null);
  }
}

function element(tag: "div" | "span", className: string | undefined): HTMLElement {
  const made = document.createElement(tag);
  made.className = className ?? "";
  return made;
}

/** The text is changed, not replaced: a new one would make the browser build its layout anew. */
function write(target: Text, text: string): void {
  if (target.data !== text) target.data = text;
}

function place(target: HTMLElement, transform: string | null): void {
  // Setting an attribute, even to what it was, makes the browser compute styles anew.
  if (target.hidden !== (transform === null)) target.hidden = transform === null;
  if (transform !== null) target.style.transform = transform;
}

function size(target: HTMLElement, width: number, height: number): void {
  target.style.width = `${String(Math.max(0, width))}px`;
  target.style.height = `${String(Math.max(0, height))}px`;
}
