/** Horizontal scale: `scroll` is the frame at the left edge (fractional), `pixelsPerFrame` the zoom. Pixels are CSS pixels. */
export interface Scale {
  readonly pixelsPerFrame: number;
  readonly scroll: number;
}

/** One frame is never wider than this. */
export const MOST_PIXELS_PER_FRAME = 64;
/** Empty room kept behind the last frame, as a share of the window. */
const ROOM_AFTER_END = 0.5;

export const xOfFrame = (scale: Scale, frame: number): number => (frame - scale.scroll) * scale.pixelsPerFrame;
/** Fractional frame under `x`. */
export const frameOfX = (scale: Scale, x: number): number => scale.scroll + x / scale.pixelsPerFrame;

/** The smallest zoom: at least the whole timeline with its room fits, and at least an hour does. */
export function leastPixelsPerFrame(width: number, length: number): number {
  return Math.max(1, width) / Math.max(length * (1 + ROOM_AFTER_END) * 1.2, 90_000);
}

/** Keeps zoom and scroll within what there is to see: `width` pixels on a timeline of `length` frames. */
export function clampScale(scale: Scale, width: number, length: number): Scale {
  const pixelsPerFrame = Math.min(MOST_PIXELS_PER_FRAME, Math.max(leastPixelsPerFrame(width, length), scale.pixelsPerFrame));
  const shown = width / pixelsPerFrame;
  const furthest = Math.max(0, length - shown * (1 - ROOM_AFTER_END));
  return { pixelsPerFrame, scroll: Math.min(furthest, Math.max(0, scale.scroll)) };
}

/** Zooms by `factor` and keeps the frame under `x` where it is. */
export function zoomAt(scale: Scale, factor: number, x: number, width: number, length: number): Scale {
  const wanted = Math.min(MOST_PIXELS_PER_FRAME, Math.max(leastPixelsPerFrame(width, length), scale.pixelsPerFrame * factor));
  const under = frameOfX(scale, x);
  return clampScale({ pixelsPerFrame: wanted, scroll: under - x / wanted }, width, length);
}

/** Shows `start` to `end` with a margin on both sides. */
export function fitSpan(start: number, end: number, width: number, length: number): Scale {
  const margin = Math.min(24, width / 10);
  const pixelsPerFrame = Math.max(1, width - 2 * margin) / Math.max(1, end - start);
  return clampScale({ pixelsPerFrame, scroll: start - margin / pixelsPerFrame }, width, length);
}

/** Scrolls as little as needed, so that `frame` is at least `margin` pixels from both edges. */
export function reveal(scale: Scale, frame: number, width: number, length: number, margin = 48): Scale {
  const x = xOfFrame(scale, frame);
  if (x >= margin && x <= width - margin) return scale;
  const target = x < margin ? margin : width - margin;
  return clampScale({ ...scale, scroll: frame - target / scale.pixelsPerFrame }, width, length);
}

/** Position of the zoom slider, 0 to 1, on a logarithmic scale. */
export function zoomShare(scale: Scale, width: number, length: number): number {
  const least = leastPixelsPerFrame(width, length);
  return Math.log(scale.pixelsPerFrame / least) / Math.log(MOST_PIXELS_PER_FRAME / least);
}

/** Zoom of a slider position. */
export function zoomOfShare(share: number, width: number, length: number): number {
  const least = leastPixelsPerFrame(width, length);
  return least * (MOST_PIXELS_PER_FRAME / least) ** Math.min(1, Math.max(0, share));
}
