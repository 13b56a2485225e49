import type { AudioSegment } from "../../../../../electron/contract/document/project-document.schema.ts";
import { type Scale, xOfFrame } from "../../../editor/scale.ts";
import { gainLineShare } from "./loudness.ts";

/** Space between a segment and its row, above and below. */
export const SEGMENT_INSET = 3;
/** Width of the zone at an edge that trims. */
export const TRIM_PIXELS = 8;
/** Half the width of the zone at a shared edge that moves both segments. */
export const ROLL_PIXELS = 3;
/** Radius within which a fade handle is grasped. */
export const FADE_RADIUS = 7;
/** Distance to the gain line at which it is grasped. */
export const GAIN_PIXELS = 3;
/** Fade handles stand this far below the segment's top edge. */
const FADE_HANDLE_Y = 7;
/** A handle at the very corner would lie under the trim zone. */
const FADE_HANDLE_LEAST_X = 12;
/** Narrower segments have no handles inside. */
export const LEAST_WIDTH_FOR_HANDLES = 48;

/** Top and bottom of a segment in its row. */
export function segmentBand(rowHeight: number): { readonly top: number; readonly bottom: number } {
  return { top: SEGMENT_INSET, bottom: rowHeight - SEGMENT_INSET };
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where the two fade handles of an audio segment stand in its row. */
export function fadeHandles(segment: AudioSegment, scale: Scale, rowHeight: number): { readonly fadeIn: Point; readonly fadeOut: Point } {
  const left = xOfFrame(scale, segment.start);
  const right = xOfFrame(scale, segment.start + segment.duration);
  const y = segmentBand(rowHeight).top + FADE_HANDLE_Y;
  return {
    fadeIn: { x: Math.max(left + FADE_HANDLE_LEAST_X, left + segment.fadeIn * scale.pixelsPerFrame), y },
    fadeOut: { x: Math.min(right - FADE_HANDLE_LEAST_X, right - segment.fadeOut * scale.pixelsPerFrame), y },
  };
}

/** Height of the gain line in its row. */
export function gainLineY(gainDecibels: number, rowHeight: number): number {
  const { top, bottom } = segmentBand(rowHeight);
  return top + 1 + gainLineShare(gainDecibels) * (bottom - top - 2);
}
