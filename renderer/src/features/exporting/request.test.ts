import { expect, test } from "vitest";
import type { Cell, CellState, OutputLane } from "../../../../electron/contract/document/output-lane.ts";
import { type ExportChoice, type Extent, endingOf, listed, readinessOf, requestOf } from "./request.ts";

const range = { start: 50, end: 150 };
const choice = (changes: Partial<ExportChoice>): ExportChoice => ({ format: "mp4", onlyRange: false, width: 480, videoCaptions: null, captions: { source: { kind: "markers" }, type: "srt" }, ...changes });
const extent = (changes: Partial<Extent> = {}): Extent => ({ frames: 1000, range, playhead: 0, ...changes });

test("a whole video has no range; one between the points has", () => {
  expect(requestOf(choice({}), extent(), false)).toEqual({ request: { format: "mp4", range: null } });
  expect(requestOf(choice({ format: "wav", onlyRange: true }), extent(), false)).toEqual({ request: { format: "wav", range } });
  expect(requestOf(choice({ onlyRange: true }), extent({ range: null }), false)).toEqual({ request: { format: "mp4", range: null } });
});

test("the points are kept within the video", () => {
  expect(requestOf(choice({ onlyRange: true }), extent({ frames: 100 }), false)).toEqual({ request: { format: "mp4", range: { start: 50, end: 100 } } });
  expect(requestOf(choice({ onlyRange: true }), extent({ frames: 50 }), false)).toEqual({ problem: "empty" });
  expect(requestOf(choice({ format: "png" }), extent({ frames: 100, range: null, playhead: 700 }), false)).toEqual({ request: { format: "png", frame: 99 } });
  expect(requestOf(choice({ format: "png" }), extent({ frames: 0 }), false)).toEqual({ problem: "empty" });
});

test("an excerpt of the whole video is refused when it is long", () => {
  expect(requestOf(choice({ format: "gif" }), extent({ frames: 2000, range: null }), false)).toEqual({ problem: "excerptTooLong" });
  expect(requestOf(choice({ format: "gif", onlyRange: true }), extent({ frames: 2000 }), false)).toEqual({ request: { format: "gif", range, width: 480 } });
});

test("captions go with an MP4 and no other video, or make a file of their own", () => {
  const videoCaptions = { source: { kind: "file", mediaId: "words" }, place: "track" } as const;
  expect(requestOf(choice({ videoCaptions }), extent(), false)).toEqual({ request: { format: "mp4", range: null, captions: videoCaptions } });
  expect(requestOf(choice({ format: "gif", onlyRange: true, videoCaptions }), extent(), false)).toEqual({ request: { format: "gif", range, width: 480 } });
  const alone = choice({ format: "captions", onlyRange: true, captions: { source: { kind: "file", mediaId: "words" }, type: "vtt" } });
  expect(requestOf(alone, extent(), true)).toEqual({ request: { format: "vtt", source: { kind: "file", mediaId: "words" }, range } });
  expect([endingOf(alone), endingOf(choice({}))]).toEqual(["vtt", "mp4"]);
});

test("only what has pictures can take stale clips", () => {
  expect(requestOf(choice({}), extent(), true)).toEqual({ request: { format: "mp4", range: null, useStale: true } });
  expect(requestOf(choice({ format: "png" }), extent(), true)).toEqual({ request: { format: "png", frame: 0, useStale: true } });
  expect(requestOf(choice({ format: "wav" }), extent(), true)).toEqual({ request: { format: "wav", range: null } });
});

test("what is stale or missing is counted within the span only, with the reasons", () => {
  const states: readonly CellState[] = [
    { kind: "stale", reasons: [{ kind: "seed" }], contentHash: "a" },
    { kind: "fresh", contentHash: "b" },
    { kind: "stale", reasons: [{ kind: "prompt" }, { kind: "sound" }], contentHash: "c" },
    { kind: "stale", reasons: [{ kind: "sound" }, { kind: "earlierClip", clip: 2 }], contentHash: "d" },
    { kind: "rendering", share: 0.5, contentHash: "e" },
    { kind: "queued", contentHash: null },
    { kind: "empty", contentHash: null },
  ];
  const cells: Cell[] = states.map((state, clip) => ({ takeId: "take", clip, startFrame: clip * 48, frames: 48, state }));
  const lane: OutputLane = { cells, runs: [], counts: { empty: 0, queued: 0, rendering: 0, fresh: 0, stale: 0, failed: 0 }, firstStaleFrame: null, firstFrameNotFresh: null };
  expect(readinessOf(lane, { start: 48, end: 6 * 48 + 1 })).toEqual({ clips: 6, missing: 2, stale: [3, 4, 5], underWay: 2, reasons: ["prompt", "sound"] });
  expect(readinessOf(lane, { start: 60, end: 61 })).toEqual({ clips: 1, missing: 0, stale: [], underWay: 0, reasons: [] });
});

test("numbers are listed as people do", () => {
  expect([listed([]), listed([3]), listed([1, 2]), listed([2, 4, 5, 6, 7, 9])]).toEqual(["", "3", "1–2", "2, 4–7, 9"]);
});
