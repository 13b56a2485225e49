import { expect, test } from "vitest";
import { requestOf } from "./request.ts";

const range = { start: 50, end: 150 };

test("a whole video has no range; one between the points has", () => {
  expect(requestOf({ format: "mp4", onlyRange: false, width: 480 }, 1000, range, 0)).toEqual({ request: { format: "mp4", range: null } });
  expect(requestOf({ format: "wav", onlyRange: true, width: 480 }, 1000, range, 0)).toEqual({ request: { format: "wav", range } });
  expect(requestOf({ format: "mp4", onlyRange: true, width: 480 }, 1000, null, 0)).toEqual({ request: { format: "mp4", range: null } });
});

test("the points are kept within the video", () => {
  expect(requestOf({ format: "mp4", onlyRange: true, width: 480 }, 100, range, 0)).toEqual({ request: { format: "mp4", range: { start: 50, end: 100 } } });
  expect(requestOf({ format: "mp4", onlyRange: true, width: 480 }, 50, range, 0)).toEqual({ problem: "empty" });
  expect(requestOf({ format: "png", onlyRange: false, width: 480 }, 100, null, 700)).toEqual({ request: { format: "png", frame: 99 } });
});

test("an excerpt of the whole video is refused when it is long", () => {
  expect(requestOf({ format: "gif", onlyRange: false, width: 480 }, 2000, null, 0)).toEqual({ problem: "excerptTooLong" });
  expect(requestOf({ format: "gif", onlyRange: true, width: 480 }, 2000, range, 0)).toEqual({ request: { format: "gif", range, width: 480 } });
});
