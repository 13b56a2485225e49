import { describe, expect, test } from "vitest";
import { newDocument } from "../../../../../electron/contract/document/new-document.ts";
import type { AudioSegment, ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import { fadeHandles, gainLineY } from "./handles.ts";
import { hitRow, hitRuler, type Hit } from "./hit-test.ts";
import { rowsOf } from "./rows.ts";

const sound = (id: string, start: number, duration: number): AudioSegment => ({ id, start, duration, mediaId: "m", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 });
const empty = newDocument({ id: "p", name: "P", audioTrackId: "t", audioTrackName: "Voice 1", baseSeed: 1 });
/** At 2 pixels a frame: a 0-200, b 200-400, gap, c 600-800 pixels; a tiny one of 6 pixels at 900. */
const document: ProjectDocument = {
  ...empty,
  audioTracks: [{ id: "t", name: "Voice 1", muted: false, gainDecibels: 0, segments: [sound("a", 0, 100), sound("b", 100, 100), sound("c", 300, 100), sound("tiny", 450, 3)] }],
  markers: [{ id: "m1", frame: 50, label: "" }],
  range: { start: 100, end: 300 },
};
const scale = { pixelsPerFrame: 2, scroll: 0 };
const row = rowsOf(["t"])[2];
if (row === undefined) throw new Error("There is no voice row");

const at = (x: number, y = row.height - 10): string => described(hitRow(document, [], row, scale, x, y));
const described = (hit: Hit): string => (hit.kind === "segment" ? `${hit.segment.id} ${hit.part}` : hit.kind);

describe("the pointer on a track", () => {
  test.each([
    [50, "a body"],
    [1, "a start"],
    [192, "a end"],
    [198, "a rollEnd"],
    [202, "b rollStart"],
    [207, "b start"],
    [397, "b end"],
    [403, "b end"],
    [420, "lane"],
    [597, "c start"],
    [604, "c start"],
    [903, "tiny body"],
    [1_500, "lane"],
  ])("at %i pixels: %s", (x, expected) => expect(at(x)).toBe(expected));

  test("handles inside a segment lie above its edges", () => {
    const [, , c] = document.audioTracks[0]?.segments ?? [];
    if (c === undefined) throw new Error("There is no c");
    const { fadeIn, fadeOut } = fadeHandles(c, scale, row.height);
    expect(at(fadeIn.x, fadeIn.y)).toBe("c fadeIn");
    expect(at(fadeOut.x, fadeOut.y)).toBe("c fadeOut");
    expect(at(700, gainLineY(0, row.height))).toBe("c gain");
    // At the very edge the segment is trimmed, whatever lies there.
    expect(at(602, gainLineY(0, row.height))).toBe("c start");
  });

  test("a segment as wide as one handle is still moved by its middle", () => expect(at(902)).toBe("tiny body"));
});

describe("the pointer on the ruler", () => {
  test.each([
    [100, 24, "marker"],
    [104, 24, "marker"],
    [100, 4, "time"],
    [201, 4, "rangeStart"],
    [597, 4, "rangeEnd"],
    [400, 4, "time"],
  ])("at %i, %i: %s", (x, y, kind) => expect(hitRuler(document, scale, x, y).kind).toBe(kind));
});
