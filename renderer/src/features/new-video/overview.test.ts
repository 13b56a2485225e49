import { expect, it } from "vitest";
import { PEAK_LEVELS, PEAK_SAMPLE_RATE } from "../../../../electron/contract/peaks.ts";
import { condense, overviewLevel } from "./overview.ts";

it("takes the coarsest level that still fills the drawing", () => {
  for (const seconds of [1, 10, 60, 600, 3600]) {
    const level = overviewLevel(seconds);
    const pairs = (index: number) => (seconds * PEAK_SAMPLE_RATE) / (PEAK_LEVELS[index] ?? Number.NaN);
    expect(level === 0 || pairs(level) >= 400, `${String(seconds)} s`).toBe(true);
    if (level < PEAK_LEVELS.length - 1) expect(pairs(level + 1)).toBeLessThan(400);
  }
});

it("keeps the extremes of what it joins", () => {
  const peaks = Int8Array.from([-1, 1, -100, 2, -3, 90, 0, 0]);
  expect(condense(peaks, 2)).toEqual([[-100, 2], [-3, 90]]);
  expect(condense(peaks, 100)).toHaveLength(4);
  expect(condense(new Int8Array(0), 10)).toEqual([]);
});
