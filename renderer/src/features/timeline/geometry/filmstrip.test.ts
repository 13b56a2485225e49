import { expect, test } from "vitest";
import { filmstrip } from "./filmstrip.ts";

test("a strip fills its room from the clip's first frame on, with four different frames at most", () => {
  expect(filmstrip(200, 62, 48)).toEqual([
    { offset: 0, frame: 0 },
    { offset: 62, frame: 12 },
    { offset: 124, frame: 24 },
    { offset: 186, frame: 36 },
  ]);
  expect(filmstrip(62, 62, 48)).toEqual([{ offset: 0, frame: 0 }]);
  const wide = filmstrip(2_000, 62, 48);
  expect(wide).toHaveLength(33);
  expect(new Set(wide.map(({ frame }) => frame))).toEqual(new Set([0, 12, 24, 36]));
});

test("no strip asks for a frame that its clip does not have, or for none at all", () => {
  for (const [room, width, frames] of [[3, 62, 1], [500, 62, 1], [0, 62, 48], [-1, 62, 48], [100, 0, 48], [1e4, 3, 13]] as const) {
    const strip = filmstrip(room, width, frames);
    expect(strip[0]).toEqual({ offset: 0, frame: 0 });
    expect(strip.every(({ frame }) => Number.isInteger(frame) && frame < frames)).toBe(true);
  }
});
