import { type Scale, xOfFrame } from "../../../editor/scale.ts";
import { drawables, type Span } from "./visible.ts";

/** Where a segment, or a run of very narrow ones, stands on a canvas. Pixels. */
export interface Box<T> {
  /** Left edge, possibly out of sight. */
  readonly x: number;
  /** At least one pixel; touching segments keep a pixel between them. */
  readonly width: number;
  /** Null when several are merged. */
  readonly segment: T | null;
}

/** Narrower segments are merged with their neighbours. */
const LEAST_PIXELS = 2;

/** Boxes of what is in sight on a canvas of `width` pixels, from left to right. */
export function boxesInSight<T extends Span>(spans: readonly T[], scale: Scale, width: number): readonly Box<T>[] {
  const boxes: Box<T>[] = [];
  const leastFrames = LEAST_PIXELS / scale.pixelsPerFrame;
  for (const drawable of drawables(spans, scale.scroll, scale.scroll + width / scale.pixelsPerFrame, leastFrames)) {
    const [start, end] = drawable.kind === "one" ? [drawable.span.start, drawable.span.start + drawable.span.duration] : [drawable.start, drawable.end];
    const x = xOfFrame(scale, start);
    boxes.push({ x, width: Math.max(1, (end - start) * scale.pixelsPerFrame - 1), segment: drawable.kind === "one" ? drawable.span : null });
  }
  return boxes;
}

/** Left edge of a label that stays in sight while its box is scrolled out to the left, and the room it has. */
export function labelRoom(box: Box<unknown>, canvasWidth: number, padding: number): { readonly x: number; readonly width: number } {
  const left = Math.max(box.x, 0) + padding;
  const right = Math.min(box.x + box.width, canvasWidth) - padding;
  return { x: left, width: right - left };
}
