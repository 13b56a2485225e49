import { describe, expect, test } from "vitest";
import type { Cell } from "../../../../electron/contract/document/output-lane.ts";
import { newDocument } from "../../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../../electron/contract/document/project-document.schema.ts";
import { clipsAround, programmeOf, runAt } from "./programme.ts";

const cell = (takeId: string, clip: number, startFrame: number, frames: number, contentHash: string | null): Cell => ({
  takeId,
  clip,
  startFrame,
  frames,
  state: contentHash === null ? { kind: "empty", contentHash: null } : { kind: "fresh", contentHash },
});

/** Two takes, 100 and 60 frames long; the second clip of the first one is missing. */
const cells = [cell("a", 0, 0, 48, "a0"), cell("a", 1, 48, 48, null), cell("a", 2, 96, 4, "a2"), cell("b", 0, 100, 48, "b0"), cell("b", 1, 148, 12, "b1")];

const document: ProjectDocument = {
  ...newDocument({ id: "p", name: "Two takes", audioTrackId: "t", audioTrackName: "", baseSeed: 1 }),
  portraits: [
    { id: "a", start: 0, duration: 50, mediaId: "anna" },
    { id: "b", start: 100, duration: 60, mediaId: "ben" },
  ],
  audioTracks: [{ id: "t", name: "", muted: false, gainDecibels: 0, segments: [{ id: "s", start: 0, duration: 160, mediaId: "m", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 }] }],
};

describe("programme", () => {
  const programme = programmeOf(document, cells);

  test("shows the clip under a frame, with the clock of its take", () => {
    expect(programme.frames).toBe(160);
    expect(programme.at(0)).toMatchObject({ kind: "clip", clip: { contentHash: "a0", takeStart: 0 } });
    expect(programme.at(47)).toMatchObject({ kind: "clip", clip: { contentHash: "a0" } });
    expect(programme.at(99)).toMatchObject({ kind: "clip", clip: { contentHash: "a2", takeStart: 0 } });
    expect(programme.at(100)).toMatchObject({ kind: "clip", clip: { contentHash: "b0", takeStart: 100 } });
    expect(programme.at(159)).toMatchObject({ kind: "clip", clip: { contentHash: "b1", takeStart: 100 } });
  });

  test("shows the portrait where no clip is, also where it is only held", () => {
    expect(programme.at(48)).toMatchObject({ kind: "still", portraitMediaId: "anna", cell: { clip: 1 } });
    expect(programme.at(80)).toMatchObject({ kind: "still", portraitMediaId: "anna" });
    expect(programme.at(160)).toMatchObject({ kind: "still", portraitMediaId: "ben", cell: null });
  });

  test("shows nothing without a portrait", () => {
    expect(programmeOf({ ...document, portraits: [] }, []).at(10)).toEqual({ kind: "still", portraitMediaId: null, cell: null });
  });

  test("asks for the clip under the playhead first, then ahead, then behind", () => {
    const hashes = (frame: number, ahead: number, behind: number) => clipsAround(programme, frame, ahead, behind).map((clip) => clip.contentHash);
    expect(hashes(110, 100, 20)).toEqual(["b0", "b1", "a2"]);
    expect(hashes(0, 50, 20)).toEqual(["a0"]);
    expect(hashes(60, 30, 10)).toEqual([]);
  });

  test("a run goes from gap to gap; in a gap it is the next one, behind the last clip the last one", () => {
    const hashes = (frame: number) => runAt(programme, frame).map((clip) => clip.contentHash);
    expect(hashes(47)).toEqual(["a0"]);
    expect(hashes(48)).toEqual(["a2", "b0", "b1"]);
    expect(hashes(159)).toEqual(["a2", "b0", "b1"]);
    expect(hashes(160)).toEqual(["a2", "b0", "b1"]);
    expect(runAt(programmeOf(document, []), 10)).toEqual([]);
  });
});
