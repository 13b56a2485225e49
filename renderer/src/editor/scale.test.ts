import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clampScale, fitSpan, frameOfX, leastPixelsPerFrame, MOST_PIXELS_PER_FRAME, reveal, xOfFrame, zoomAt, zoomOfShare, zoomShare } from "./scale.ts";

const WIDTH = 1_000;
const length = fc.integer({ min: 0, max: 10_000_000 });
const scaleOf = (frames: number) => fc.record({ pixelsPerFrame: fc.double({ min: 1e-5, max: 100, noNaN: true }), scroll: fc.double({ min: -1e6, max: 2e7, noNaN: true }) }).map((scale) => clampScale(scale, WIDTH, frames));

describe("time and pixels", () => {
  test("a frame and its place are each other's inverse", () => {
    fc.assert(
      fc.property(length.chain((frames) => scaleOf(frames)), fc.integer({ min: 0, max: 10_000_000 }), (scale, frame) => {
        expect(frameOfX(scale, xOfFrame(scale, frame))).toBeCloseTo(frame, 3);
      }),
    );
  });

  test("zooming keeps the frame under the pointer, as long as the ends do not stop it", () => {
    const scale = { pixelsPerFrame: 0.5, scroll: 40_000 };
    const after = zoomAt(scale, 1.7, 300, WIDTH, 90_000);
    expect(after.pixelsPerFrame).toBeCloseTo(0.85);
    expect(frameOfX(after, 300)).toBeCloseTo(frameOfX(scale, 300));
  });

  test("no zoom or scroll leaves what there is to see", () => {
    fc.assert(
      fc.property(length.chain((frames) => fc.tuple(fc.constant(frames), scaleOf(frames))), fc.double({ min: 0.01, max: 100, noNaN: true }), fc.integer({ min: 0, max: WIDTH }), ([frames, scale], factor, x) => {
        const after = zoomAt(scale, factor, x, WIDTH, frames);
        expect(after.pixelsPerFrame).toBeLessThanOrEqual(MOST_PIXELS_PER_FRAME);
        expect(after.pixelsPerFrame).toBeGreaterThanOrEqual(leastPixelsPerFrame(WIDTH, frames));
        expect(after.scroll).toBeGreaterThanOrEqual(0);
        expect(xOfFrame(after, frames)).toBeGreaterThanOrEqual(Math.min(WIDTH / 2, xOfFrame({ ...after, scroll: 0 }, frames)) - 0.01);
      }),
    );
  });

  test("fitting shows both ends with a margin", () => {
    const scale = fitSpan(0, 90_000, WIDTH, 90_000);
    expect(xOfFrame(scale, 0)).toBeGreaterThanOrEqual(0);
    expect(xOfFrame(scale, 90_000)).toBeLessThanOrEqual(WIDTH);
    expect(xOfFrame(scale, 90_000)).toBeGreaterThan(WIDTH * 0.9);
  });

  test("revealing scrolls no further than needed", () => {
    const scale = { pixelsPerFrame: 1, scroll: 1_000 };
    expect(reveal(scale, 1_500, WIDTH, 90_000)).toBe(scale);
    expect(xOfFrame(reveal(scale, 5_000, WIDTH, 90_000), 5_000)).toBeCloseTo(WIDTH - 48);
    expect(xOfFrame(reveal(scale, 500, WIDTH, 90_000), 500)).toBeCloseTo(48);
  });

  test("the slider's ends are the limits of zooming", () => {
    expect(zoomOfShare(0, WIDTH, 90_000)).toBeCloseTo(leastPixelsPerFrame(WIDTH, 90_000));
    expect(zoomOfShare(1, WIDTH, 90_000)).toBeCloseTo(MOST_PIXELS_PER_FRAME);
    expect(zoomShare({ pixelsPerFrame: zoomOfShare(0.3, WIDTH, 90_000), scroll: 0 }, WIDTH, 90_000)).toBeCloseTo(0.3);
  });
});
