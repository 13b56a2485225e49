import { PEAK_LEVELS, PEAK_SAMPLE_RATE } from "../../../../../electron/contract/peaks.ts";
import { FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";

const SAMPLES_PER_FRAME = PEAK_SAMPLE_RATE / FRAMES_PER_SECOND;

/** The coarsest level that still has at least one pair per pixel, or the finest one when zoomed in further. */
export function levelForZoom(pixelsPerFrame: number): number {
  const samplesPerPixel = SAMPLES_PER_FRAME / pixelsPerFrame;
  for (let level = PEAK_LEVELS.length - 1; level > 0; level -= 1) {
    if ((PEAK_LEVELS[level] ?? Infinity) <= samplesPerPixel) return level;
  }
  return 0;
}

const LEVELS = PEAK_LEVELS.map((_, level) => level);
const SUBSTITUTES = LEVELS.map((wanted) => [wanted, ...LEVELS.filter((level) => level > wanted), ...LEVELS.filter((level) => level < wanted).reverse()]);

/** Levels in the order in which they may stand in for `wanted`: coarser ones first, since they are small and soon there. */
export function levelsToTry(wanted: number): readonly number[] {
  return SUBSTITUTES[wanted] ?? LEVELS;
}

/** Lowest and highest value of a stretch, -1 to 1. */
export interface Extremes {
  low: number;
  high: number;
}

/**
 * The extremes of `from` to `to`, frames of the recording (fractional), in the pairs of one level. `out` is filled rather
 * than made anew: this runs once per pixel.
 */
export function extremesBetween(pairs: Int8Array, level: number, from: number, to: number, out: Extremes): void {
  const perPair = PEAK_LEVELS[level] ?? 1;
  const count = pairs.length >>> 1;
  const first = Math.max(0, Math.floor((from * SAMPLES_PER_FRAME) / perPair));
  const last = Math.min(count - 1, Math.max(first, Math.ceil((to * SAMPLES_PER_FRAME) / perPair) - 1));
  let low = 127;
  let high = -128;
  for (let index = first; index <= last; index += 1) {
    const least = pairs[index * 2] ?? 0;
    const most = pairs[index * 2 + 1] ?? 0;
    if (least < low) low = least;
    if (most > high) high = most;
  }
  out.low = high < low ? 0 : low / 127;
  out.high = high < low ? 0 : high / 127;
}
