import { describe, expect, it, vi } from "vitest";
import { violationsOf } from "./invariants.ts";
import { type ProjectDocument, projectDocumentSchema } from "./project-document.schema.ts";
import { sampleDocument } from "./testing/sample-document.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const document = sampleDocument();
const withSound = (change: object): ProjectDocument => ({
  ...document,
  audioTracks: document.audioTracks.map((track, index) => (index === 0 ? { ...track, segments: track.segments.map((segment, at) => (at === 2 ? { ...segment, ...change } : segment)) } : track)),
});

describe("rules of a document", () => {
  it("are kept by a valid one", () => {
    expect(violationsOf(document)).toEqual([]);
  });

  it.each<[string, ProjectDocument, string, string]>([
    ["an id in two tracks", { ...document, prompts: [{ id: "p1", start: 0, duration: 1, text: "" }] }, "idTwice", "prompts[0]"],
    ["a file twice", { ...document, media: [...document.media, ...document.media.slice(0, 1)] }, "idTwice", "media[5]"],
    ["an overlap", { ...document, portraits: document.portraits.map((segment) => ({ ...segment, start: 0 })) }, "outOfOrder", "portraits[1]"],
    ["what is not in order", { ...document, prompts: [...document.prompts].reverse() }, "outOfOrder", "prompts[1]"],
    ["an end past the last frame", { ...document, prompts: [{ id: "t", start: 10_000_000, duration: 1, text: "" }] }, "tooLong", "prompts[0]"],
    ["a missing file", withSound({ mediaId: "none" }), "mediaMissing", "audioTracks[0].segments[2]"],
    ["a picture that sounds", withSound({ mediaId: "ana" }), "mediaWrongKind", "audioTracks[0].segments[2]"],
    ["a recording that is seen", { ...document, portraits: [{ id: "p", start: 0, duration: 1, mediaId: "talk" }] }, "mediaWrongKind", "portraits[0]"],
    ["sound before its file", withSound({ sourceStart: 1_440_000 }), "outsideRecording", "audioTracks[0].segments[2]"],
    ["sound after its file", withSound({ sourceStart: 1_250_000 }), "outsideRecording", "audioTracks[0].segments[2]"],
    ["fades that cross", withSound({ fadeIn: 60, fadeOut: 41 }), "fadesTooLong", "audioTracks[0].segments[2]"],
    ["markers out of order", { ...document, markers: [...document.markers].reverse() }, "outOfOrder", "markers[1]"],
    ["a range without frames", { ...document, range: { start: 5, end: 5 } }, "rangeEmpty", "range"],
  ])("are broken by %s", (_, broken, code, path) => {
    expect(projectDocumentSchema.safeParse(broken).success).toBe(true);
    expect(violationsOf(broken)).toEqual([{ code, path }]);
  });

  it("lets the last frame of a recording be heard in part, but no frame without a sample", () => {
    // The short file has 24,000 samples: 37 frames and a half.
    const last = (sourceStart: number, duration: number): number => violationsOf(withSound({ mediaId: "short", sourceStart, duration })).length;
    expect([last(0, 38), last(0, 39), last(320, 37), last(320, 38), last(23_999, 1)]).toEqual([0, 1, 0, 1, 0]);
  });

  it("lists a hundred of a million, in one pass", () => {
    const prompts = Array.from({ length: 1_000_000 }, () => ({ id: "t", start: 0, duration: 1, text: "" }));
    expect(violationsOf({ ...document, prompts })).toHaveLength(100);
  });
});
