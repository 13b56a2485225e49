import { LIMITS } from "../../../../../electron/contract/document/limits.ts";
import type { AudioSegment } from "../../../../../electron/contract/document/project-document.schema.ts";

/** The lowest gain, which is silence. */
const LEAST_DECIBELS = LIMITS.gainDecibels.min;

/** Factor on the samples. */
export const amplitudeOfDecibels = (decibels: number): number => (decibels <= LEAST_DECIBELS ? 0 : 10 ** (decibels / 20));

/** Gains at which the gain line has reached the bottom and the top of a segment; 0 dB stands at 40 % from the top. */
const LINE_BOTTOM = -36;
const LINE_TOP = 12;
const ZERO_AT = 0.4;

/** Share of the height, from the top, at which the gain line stands. */
export function gainLineShare(decibels: number): number {
  const share = decibels >= 0 ? ZERO_AT * (1 - decibels / LINE_TOP) : ZERO_AT + (1 - ZERO_AT) * (decibels / LINE_BOTTOM);
  return Math.min(1, Math.max(0, share));
}

/** Gain of a line dragged to `share` of the height, in steps of half a decibel; the very bottom is silence. */
export function decibelsOfShare(share: number): number {
  if (share >= 1) return LEAST_DECIBELS;
  const within = Math.max(0, share);
  const decibels = within <= ZERO_AT ? LINE_TOP * (1 - within / ZERO_AT) : LINE_BOTTOM * ((within - ZERO_AT) / (1 - ZERO_AT));
  const rounded = Math.round(decibels * 2) / 2;
  // A line near zero means zero: the level of the recording is what most people want back.
  return Math.abs(rounded) < 0.75 ? 0 : rounded;
}

/** Share of the level that the fades leave, `offset` frames after the segment's start (fractional). Straight lines in amplitude. */
export function fadeShare(segment: Pick<AudioSegment, "duration" | "fadeIn" | "fadeOut">, offset: number): number {
  const rising = segment.fadeIn > 0 ? offset / segment.fadeIn : 1;
  const falling = segment.fadeOut > 0 ? (segment.duration - offset) / segment.fadeOut : 1;
  return Math.min(1, Math.max(0, Math.min(rising, falling)));
}
