import { PEAK_LEVELS, PEAK_SAMPLE_RATE } from "../../../../electron/contract/peaks.ts";

/** More pairs than this are not seen in the width of a column. */
const ENOUGH_PAIRS = 400;

/** The coarsest level that still has enough pairs for a drawing of the whole recording. */
export function overviewLevel(seconds: number): number {
  const pairs = (level: number) => (seconds * PEAK_SAMPLE_RATE) / level;
  for (let index = PEAK_LEVELS.length - 1; index > 0; index -= 1) {
    const level = PEAK_LEVELS[index];
    if (level !== undefined && pairs(level) >= ENOUGH_PAIRS) return index;
  }
  return 0;
}

/** Joins pairs of minimum and maximum until there are `count` of them. */
export function condense(peaks: Int8Array, count: number): readonly (readonly [number, number])[] {
  const pairs = Math.floor(peaks.length / 2);
  return Array.from({ length: Math.min(count, pairs) }, (_, index) => {
    const from = Math.floor((index * pairs) / Math.min(count, pairs));
    const to = Math.max(from + 1, Math.floor(((index + 1) * pairs) / Math.min(count, pairs)));
    let [low, high] = [127, -128];
    for (let pair = from; pair < to; pair += 1) {
      low = Math.min(low, peaks[pair * 2] ?? 0);
      high = Math.max(high, peaks[pair * 2 + 1] ?? 0);
    }
    return [low, high];
  });
}
