import type { OutputLane } from "../../../../../electron/contract/document/output-lane.ts";
import { takesText } from "../../../actions/keyboard.ts";
import { frameOfX, zoomAt } from "../../../editor/scale.ts";
import { seek } from "../commands/navigation.ts";
import { type Hit, hitRow, hitRuler, segmentsOf } from "../geometry/hit-test.ts";
import { type Row, rowAt, RULER_HEIGHT } from "../geometry/rows.ts";
import { marqueeGesture, panGesture } from "./area-gestures.ts";
import { cursorOf, rulerCursorOf } from "./cursor.ts";
import { EdgeScroll } from "./edge-scroll.ts";
import { afterThreshold, type Gesture, type GestureTools, NO_GESTURE, type PointerPlace } from "./gesture.ts";
import { markerGesture, rangeGesture, scrubGesture } from "./ruler-gestures.ts";
import { gestureOfPart } from "./segment-gestures.ts";
import { extendedSelection } from "./selecting.ts";

/** What the page does with what the pointer found. */
export interface PointerHost extends GestureTools {
  /** The tracks, ruler included: pointer events arrive here. */
  readonly surface: HTMLElement;
  /** The element that scrolls the rows up and down. */
  readonly scroller: HTMLElement;
  readonly lane: () => OutputLane;
  readonly onHover: (hit: Hit | null) => void;
  readonly onEditPrompt: (segmentId: string) => void;
  /** Double click on an empty place of the prompt track. */
  readonly onNewPrompt: (frame: number) => void;
  readonly onRenameMarker: (markerId: string) => void;
}

/** Turns pointer, wheel and Esc into gestures, selection and scrolling. */
export class PointerControl {
  readonly #host: PointerHost;
  readonly #ended = new AbortController();
  #gesture: { readonly gesture: Gesture; readonly pointerId: number } | null = null;
  readonly #edgeScroll: EdgeScroll;
  /** Where the tracks were when the pointer last moved over them: asking while something moves makes the browser lay out anew. */
  #edges: { readonly left: number; readonly top: number } | null = null;
  /** Segment from which Shift+click reaches. */
  #anchor: string | null = null;

  constructor(host: PointerHost) {
    this.#host = host;
    this.#edgeScroll = new EdgeScroll(host.session.view, host.scroller);
    const { signal } = this.#ended;
    const { surface } = host;
    surface.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    surface.addEventListener("pointermove", (event) => this.#move(event), { signal });
    surface.addEventListener("pointerup", (event) => this.#up(event), { signal });
    surface.addEventListener("pointercancel", () => this.cancel(), { signal });
    surface.addEventListener("pointerleave", () => this.#leave(), { signal });
    surface.addEventListener("dblclick", (event) => this.#doubleClick(event), { signal });
    surface.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    // Before the registry of shortcuts: Esc belongs to the drag.
    window.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    window.addEventListener("blur", () => this.cancel(), { signal });
    window.addEventListener("resize", () => (this.#edges = null), { signal });
  }

  /** Whether a drag is under way. */
  get busy(): boolean {
    return this.#gesture !== null;
  }

  /** Takes back the drag under way. */
  cancel(): void {
    const running = this.#gesture;
    if (running === null) return;
    this.#end();
    running.gesture.cancel();
  }

  dispose(): void {
    this.cancel();
    this.#ended.abort();
  }

  /** What lies under a point of the screen; null on the ruler. */
  hitAt(event: { readonly clientX: number; readonly clientY: number }): Hit | null {
    const { x, y } = this.#local(event);
    const row = y < 0 ? null : rowAt(this.#host.rows(), y);
    if (row === null) return null;
    // What is locked cannot be grasped.
    if (row.track.kind !== "output" && this.#isLocked(row)) return { kind: "lane", track: row.track, row };
    return hitRow(this.#document(), this.#host.lane().cells, row, this.#scale(), x, y - row.top);
  }

  placeOf(event: { readonly clientX: number; readonly clientY: number; readonly altKey: boolean; readonly shiftKey: boolean; readonly ctrlKey: boolean; readonly metaKey: boolean }): PointerPlace {
    const { x, y } = this.#local(event);
    return { x, y, frame: Math.max(0, frameOfX(this.#scale(), x)), row: rowAt(this.#host.rows(), y), alt: event.altKey, shift: event.shiftKey, mod: event.ctrlKey || event.metaKey };
  }

  #scale() {
    return this.#host.session.view.store.getState().scale;
  }

  #document() {
    return this.#host.session.editor.store.getState().history.present;
  }

  #isLocked(row: Row): boolean {
    return this.#host.session.tracks.store.getState().locked.has(row.key);
  }

  #readOnly(): boolean {
    return this.#host.session.editor.store.getState().readOnly;
  }

  /** Pixels from the left edge of the tracks and from the top of the first row. The ruler sticks above the scrolled rows. */
  #local(event: { readonly clientX: number; readonly clientY: number }): { readonly x: number; readonly y: number } {
    const { scroller } = this.#host;
    this.#edges ??= edgesOf(this.#host);
    const below = event.clientY - this.#edges.top - RULER_HEIGHT;
    return { x: event.clientX - this.#edges.left, y: below < 0 ? below : below + scroller.scrollTop };
  }

  #down(event: PointerEvent): void {
    if (this.#gesture !== null || !this.#onSurface(event)) return;
    this.#edges = null;
    const place = this.placeOf(event);
    const gesture = this.#gestureFor(event, place);
    if (gesture === null) return;
    event.preventDefault();
    // What is being typed elsewhere is kept, and the keys belong to the timeline from now on.
    if (document.activeElement instanceof HTMLElement && takesText(document.activeElement)) document.activeElement.blur();
    this.#host.surface.setPointerCapture(event.pointerId);
    this.#gesture = { gesture, pointerId: event.pointerId };
    this.#host.surface.style.cursor = gesture.cursor;
    gesture.move(place);
  }

  /** Fields that lie above the tracks take their own presses. */
  #onSurface(event: Event): boolean {
    return event.target instanceof HTMLCanvasElement || event.target === this.#host.surface;
  }

  #gestureFor(event: PointerEvent, place: PointerPlace): Gesture | null {
    if (event.button === 1) return panGesture(this.#host, place);
    if (event.button === 2) {
      this.#selectForMenu(event);
      return null;
    }
    if (event.button !== 0) return null;
    if (place.y < 0) return this.#rulerGesture(place);
    const hit = this.hitAt(event);
    if (hit === null) return null;
    switch (hit.kind) {
      case "lane":
        return afterThreshold(place, marqueeGesture(this.#host, place), () => this.#clickLane(hit, place));
      case "cell": {
        const { takeId, clip } = hit.cell;
        return afterThreshold(place, marqueeGesture(this.#host, place), () => this.#host.session.editor.focusOn({ kind: "clip", takeId, clip }));
      }
      case "segment":
        return this.#segmentGesture(hit, place);
    }
  }

  #rulerGesture(place: PointerPlace): Gesture {
    const { session } = this.#host;
    const hit = hitRuler(this.#document(), this.#scale(), place.x, place.y + RULER_HEIGHT);
    if (this.#readOnly()) return scrubGesture(this.#host);
    switch (hit.kind) {
      case "marker": {
        const { marker } = hit;
        return afterThreshold(place, markerGesture(this.#host, marker, place), () => {
          session.editor.focusOn({ kind: "marker", id: marker.id });
          seek(session, marker.frame);
        });
      }
      case "rangeStart":
      case "rangeEnd":
        return afterThreshold(place, rangeGesture(this.#host, hit.kind === "rangeStart" ? "start" : "end", place), () => seek(session, Math.floor(place.frame)));
      case "time":
        return place.shift ? rangeGesture(this.#host, null, place) : scrubGesture(this.#host);
    }
  }

  #segmentGesture(hit: Extract<Hit, { kind: "segment" }>, place: PointerPlace): Gesture {
    const { editor } = this.#host.session;
    const { segment } = hit;
    const wasSelected = editor.store.getState().selection.has(segment.id);
    const adding = place.shift || place.mod;
    if (adding) editor.select(extendedSelection(editor.store.getState().selection, segmentsOf(this.#document(), hit.track), segment, this.#anchor, place));
    else if (!wasSelected) editor.select([segment.id]);
    if (!place.shift) this.#anchor = segment.id;
    // A press on one of several selected segments may begin a drag of all; without one it selects this segment alone.
    const onClick = () => {
      if (!adding && wasSelected) editor.select([segment.id]);
    };
    if (this.#readOnly() || !editor.store.getState().selection.has(segment.id)) return afterThreshold(place, NO_GESTURE, onClick);
    return afterThreshold(place, gestureOfPart(this.#host, hit, place), onClick);
  }

  #clickLane(hit: Extract<Hit, { kind: "lane" }>, place: PointerPlace): void {
    const { session } = this.#host;
    if (place.shift || place.mod) return;
    if (hit.track.kind === "audio") session.editor.focusOn({ kind: "track", trackId: hit.track.trackId });
    else session.editor.select([]);
    seek(session, Math.floor(place.frame));
  }

  /** The context menu acts on what was pressed, and on the whole selection when that is part of it. */
  #selectForMenu(event: PointerEvent): void {
    const { session } = this.#host;
    const place = this.placeOf(event);
    if (place.y < 0) {
      const hit = hitRuler(this.#document(), this.#scale(), place.x, place.y + RULER_HEIGHT);
      if (hit.kind === "marker") session.editor.focusOn({ kind: "marker", id: hit.marker.id });
      return;
    }
    const hit = this.hitAt(event);
    if (hit?.kind === "segment" && !session.editor.store.getState().selection.has(hit.segment.id)) session.editor.select([hit.segment.id]);
    else if (hit?.kind === "cell") session.editor.focusOn({ kind: "clip", takeId: hit.cell.takeId, clip: hit.cell.clip });
    else if (hit?.kind === "lane" && hit.track.kind === "audio") session.editor.focusOn({ kind: "track", trackId: hit.track.trackId });
    else if (hit?.kind === "lane") session.editor.select([]);
  }

  #move(event: PointerEvent): void {
    const { overlay, surface } = this.#host;
    if (this.#gesture === null) this.#edges = null;
    const { x, y } = this.#local(event);
    const inside = this.#onSurface(event) || this.#gesture !== null;
    overlay.setPointer(inside ? { x, y: y + RULER_HEIGHT } : null);
    if (this.#gesture !== null) {
      if (event.pointerId !== this.#gesture.pointerId) return;
      // Ours alone: others need not look what is below the pointer.
      event.preventDefault();
      const { gesture } = this.#gesture;
      gesture.move(this.placeOf(event));
      if (gesture.scrolls !== "none") this.#scrollAtEdges(event, x, gesture);
      return;
    }
    const hit = inside ? this.hitAt(event) : null;
    this.#host.onHover(hit);
    if (inside) surface.style.cursor = hit === null ? rulerCursorOf(hitRuler(this.#document(), this.#scale(), x, y + RULER_HEIGHT), this.#readOnly()) : cursorOf(hit, this.#readOnly());
  }

  #scrollAtEdges(event: PointerEvent, x: number, gesture: Gesture): void {
    const { scroller } = this.#host;
    this.#edges ??= edgesOf(this.#host);
    // A drag along the ruler does not mind the rows.
    const below = event.clientY - this.#edges.top - RULER_HEIGHT;
    const height = scroller.clientHeight - RULER_HEIGHT;
    this.#edgeScroll.follow(x, gesture.scrolls === "time" ? height / 2 : below, height, () => gesture.move(this.placeOf(event)));
  }

  #up(event: PointerEvent): void {
    const running = this.#gesture;
    if (running?.pointerId !== event.pointerId) return;
    running.gesture.move(this.placeOf(event));
    this.#end();
    running.gesture.finish();
    this.#move(event);
  }

  #leave(): void {
    if (this.#gesture !== null) return;
    this.#host.overlay.setPointer(null);
    this.#host.onHover(null);
  }

  #end(): void {
    const running = this.#gesture;
    this.#gesture = null;
    this.#edgeScroll.stop();
    this.#host.surface.style.cursor = "";
    if (running !== null && this.#host.surface.hasPointerCapture(running.pointerId)) this.#host.surface.releasePointerCapture(running.pointerId);
  }

  #doubleClick(event: MouseEvent): void {
    if (!this.#onSurface(event)) return;
    const { session, onEditPrompt, onNewPrompt, onRenameMarker } = this.#host;
    const place = this.placeOf({ clientX: event.clientX, clientY: event.clientY, altKey: false, shiftKey: false, ctrlKey: false, metaKey: false });
    if (place.y < 0) {
      const hit = hitRuler(this.#document(), this.#scale(), place.x, place.y + RULER_HEIGHT);
      if (hit.kind === "marker" && !this.#readOnly()) onRenameMarker(hit.marker.id);
      return;
    }
    const hit = this.hitAt(event);
    if (hit?.kind === "cell") seek(session, hit.cell.startFrame);
    else if (hit?.kind === "segment" && hit.track.kind === "prompt") onEditPrompt(hit.segment.id);
    else if (hit?.kind === "lane" && hit.track.kind === "prompt" && !this.#readOnly() && !this.#isLocked(hit.row)) onNewPrompt(Math.floor(place.frame));
  }

  #wheel(event: WheelEvent): void {
    const { session, scroller } = this.#host;
    const { x, y } = this.#local(event);
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      // A pinch arrives as small steps with Ctrl, a wheel as large ones.
      const speed = Math.abs(event.deltaY) < 40 ? 0.008 : 0.0022;
      const factor = Math.exp(-Math.max(-300, Math.min(300, event.deltaY)) * speed);
      session.view.setScale((scale, view) => zoomAt(scale, factor, x, view.width, view.length));
      return;
    }
    // Up and down moves the tracks where they do not fit, and time where they do, as on the ruler.
    const tall = scroller.scrollHeight > scroller.clientHeight + 1 && y >= 0;
    const pixels = event.deltaX !== 0 ? event.deltaX : event.shiftKey || !tall ? event.deltaY : 0;
    if (pixels === 0) return;
    event.preventDefault();
    session.view.setScale((scale) => ({ ...scale, scroll: scale.scroll + pixels / scale.pixelsPerFrame }));
  }

  #key(event: KeyboardEvent): void {
    if (this.#gesture === null) return;
    // While something is dragged, keys would change what lies under the hand.
    event.stopPropagation();
    if (event.key === "Escape") {
      event.preventDefault();
      this.cancel();
    } else if (event.key === "Alt") event.preventDefault();
  }
}

/** Asks the browser for its layout. */
function edgesOf({ surface, scroller }: PointerHost): { readonly left: number; readonly top: number } {
  return { left: surface.getBoundingClientRect().left, top: scroller.getBoundingClientRect().top };
}
