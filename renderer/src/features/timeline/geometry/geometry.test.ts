import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boxesInSight } from "./boxes.ts";
import { amplitudeOfDecibels, decibelsOfShare, fadeShare, gainLineShare } from "./loudness.ts";
import { extremesBetween, levelForZoom, levelsToTry } from "./peak-columns.ts";
import { rowAt, rowsHeight, rowsOf } from "./rows.ts";
import { gridSpacing, multiples, tickSpacing } from "./ticks.ts";
import { drawables, spansWithin } from "./visible.ts";

/** Spans in order with gaps between them, some of length zero. */
const spans = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 200 })), { maxLength: 200 }).map((steps) => {
  let end = 0;
  return steps.map(([gap, duration]) => {
    const span = { start: end + gap, duration };
    end = span.start + duration;
    return span;
  });
});

describe("what is in sight", () => {
  test("the spans that touch a stretch are those a plain search finds", () => {
    fc.assert(
      fc.property(spans, fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 3_000 }), (all, from, length) => {
        const to = from + length;
        expect([...spansWithin(all, from, to)]).toEqual(all.filter((span) => span.start < to && span.start + span.duration > from));
      }),
    );
  });

  test("merging covers every span, hides none, and bounds the number of rectangles", () => {
    fc.assert(
      fc.property(spans, fc.double({ min: 0.5, max: 400, noNaN: true }), (all, least) => {
        const end = (all.at(-1)?.start ?? 0) + 1_000;
        const drawn = [...drawables(all, 0, end, least)];
        const count = drawn.reduce((sum, one) => sum + (one.kind === "one" ? 1 : one.count), 0);
        expect(count).toBe(all.length);
        // Two neighbouring rectangles are at least one unit wide, or apart: at most two a unit.
        expect(drawn.length).toBeLessThanOrEqual(2 * Math.ceil(end / least) + 1);
        for (const one of drawn) if (one.kind === "merged") expect(one.count).toBeGreaterThan(1);
      }),
    );
  });

  test("20,000 segments on a screen are at most as many boxes as it has pixels", () => {
    const all = Array.from({ length: 20_000 }, (_, index) => ({ start: index * 10, duration: 8 }));
    const boxes = boxesInSight(all, { pixelsPerFrame: 1_900 / 200_000, scroll: 0 }, 1_900);
    expect(boxes.length).toBeLessThanOrEqual(1_900);
    expect(boxesInSight(all, { pixelsPerFrame: 2, scroll: 100_000 }, 1_900)).toHaveLength(95);
  });
});

describe("ruler", () => {
  test("labels never touch, and lines fall on whole frames", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-4, max: 64, noNaN: true }), (pixelsPerFrame) => {
        const { major, minor } = tickSpacing(pixelsPerFrame);
        expect(major * pixelsPerFrame).toBeGreaterThanOrEqual(84);
        expect(Number.isInteger(minor)).toBe(true);
        expect(major % minor).toBe(0);
        expect(minor * pixelsPerFrame).toBeGreaterThanOrEqual(5);
      }),
    );
  });

  test.each([
    [64, { minor: 1, major: 5 }],
    [4, { minor: 5, major: 25 }],
    [2, { minor: 10, major: 50 }],
    [0.019, { minor: 1_500, major: 7_500 }],
  ])("at %f pixels a frame", (pixelsPerFrame, spacing) => expect(tickSpacing(pixelsPerFrame)).toEqual(spacing));

  test("blocks are shown only where they can be told apart", () => {
    expect(gridSpacing(2, 48)).toEqual({ block: 12, clip: 48 });
    expect(gridSpacing(0.5, 48)).toEqual({ block: null, clip: 48 });
    expect(gridSpacing(0.1, 48)).toEqual({ block: null, clip: null });
  });

  test("multiples count from their origin", () => expect([...multiples(12, 30, 60, 5)]).toEqual([41, 53]));
});

describe("rows", () => {
  const rows = rowsOf(["one", "two"]);
  test("lie below each other without overlap", () => {
    expect(rows.map(({ key }) => key)).toEqual(["portrait", "prompt", "audio:one", "audio:two", "output"]);
    for (let index = 1; index < rows.length; index += 1) expect(rows[index]?.top).toBe((rows[index - 1]?.top ?? 0) + (rows[index - 1]?.height ?? 0) + 1);
  });
  test("are found by their height, the nearest one outside", () => {
    for (const row of rows) expect(rowAt(rows, row.top + row.height / 2)).toBe(row);
    expect(rowAt(rows, -50)).toBe(rows[0]);
    expect(rowAt(rows, rowsHeight(rows) + 50)).toBe(rows.at(-1));
  });
});

describe("waveform", () => {
  test.each([
    [64, 0],
    [4, 1],
    [1, 2],
    [0.25, 3],
    [0.0625, 4],
    [0.001, 4],
  ])("at %f pixels a frame level %i has a pair a pixel", (pixelsPerFrame, level) => expect(levelForZoom(pixelsPerFrame)).toBe(level));

  test("a level that is not there yet is stood in for by a coarser one first", () => expect(levelsToTry(2)).toEqual([2, 3, 4, 1, 0]));

  test("extremes of a stretch are those of its pairs", () => {
    // Level 2 has one pair a frame.
    const pairs = Int8Array.from([-10, 10, -127, 5, -1, 127, 0, 0]);
    const out = { low: 0, high: 0 };
    extremesBetween(pairs, 2, 0, 1, out);
    expect(out).toEqual({ low: -10 / 127, high: 10 / 127 });
    extremesBetween(pairs, 2, 0.5, 2.5, out);
    expect(out).toEqual({ low: -1, high: 1 });
    extremesBetween(pairs, 2, 3, 4, out);
    expect(out).toEqual({ low: 0, high: 0 });
    extremesBetween(pairs, 2, 9, 12, out);
    expect(out).toEqual({ low: 0, high: 0 });
  });
});

describe("loudness", () => {
  test("amplitudes", () => {
    expect(amplitudeOfDecibels(0)).toBe(1);
    expect(amplitudeOfDecibels(-20)).toBeCloseTo(0.1);
    expect(amplitudeOfDecibels(-60)).toBe(0);
  });

  test("the gain line and the gain are each other's inverse, in steps of half a decibel", () => {
    for (let decibels = -35; decibels <= 12; decibels += 0.5) if (Math.abs(decibels) >= 1) expect(decibelsOfShare(gainLineShare(decibels))).toBe(decibels);
    expect(decibelsOfShare(gainLineShare(0))).toBe(0);
    expect(decibelsOfShare(1)).toBe(-60);
    expect(decibelsOfShare(-5)).toBe(12);
  });

  test("fades rise and fall in straight lines", () => {
    const segment = { duration: 100, fadeIn: 20, fadeOut: 50 };
    expect([0, 10, 20, 40, 50, 75, 100].map((offset) => fadeShare(segment, offset))).toEqual([0, 0.5, 1, 1, 1, 0.5, 0]);
    expect(fadeShare({ duration: 100, fadeIn: 0, fadeOut: 0 }, 0)).toBe(1);
  });
});
