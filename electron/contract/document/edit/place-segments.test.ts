import { describe, expect, it } from "vitest";
import { counter, edited, image, layout, refusalOf, sampleDocument } from "../testing/sample-document.ts";
import { applyEdit } from "./apply-edit.ts";
import { copySegments } from "./clipboard.ts";
import type { Clipboard, EditCommand, Ripple } from "./commands.ts";

const document = sampleDocument();
const before = layout(document);

describe("adding", () => {
  const prompt = (start: number, duration: number, ripple: Ripple): EditCommand => ({ type: "addSegment", start, ripple, content: { kind: "prompt", text: "new", duration } });

  it("overwrites: what lies there is trimmed, split and removed, and nothing else moves", () => {
    expect(layout(edited(document, prompt(90, 40, "none")))).toEqual({ ...before, prompts: "t1 0-90 calm, n1 90-130 new, t2 130-200 happy" });
    expect(layout(edited(document, prompt(10, 20, "none"))).prompts).toBe("t1 0-10 calm, n1 10-30 new, n2 30-96 calm, t2 120-200 happy");
    expect(layout(edited(document, prompt(0, 300, "none"))).prompts).toBe("n1 0-300 new");
  });

  it("splits sound at the right sample", () => {
    const added = edited(document, { type: "addSegment", start: 20, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "short", sourceStart: 640, duration: 10 } });
    // 30 frames at 48 kHz are 57,600 samples.
    expect(layout(added).sound[0]).toBe("a1 0-20 talk@0, n1 20-30 short@640, n2 30-100 talk@57600, a2 100-150 talk@480000, a3 200-300 talk@960000");
  });

  it("inserts on one track", () => {
    expect(layout(edited(document, prompt(50, 10, "track")))).toEqual({ ...before, prompts: "t1 0-50 calm, n1 50-60 new, n2 60-106 calm, t2 130-210 happy" });
  });

  it("inserts on all tracks: sound is split, portraits stretch, markers move", () => {
    const added = edited(document, prompt(110, 10, "all"));
    expect(layout(added)).toEqual({
      portraits: "p1 0-210 ana, p2 210-310 ben",
      prompts: "t1 0-96 calm, n1 110-120 new, t2 130-210 happy",
      sound: ["a1 0-100 talk@0, a2 100-110 talk@480000, n2 120-160 talk@499200, a3 210-310 talk@960000", "b1 130-165 short@1000"],
    });
    expect(added.markers.map((marker) => marker.frame)).toEqual([120, 260]);
  });

  it("takes the rest of a recording, with its last frame in part", () => {
    const added = edited(document, { type: "addSegment", start: 400, ripple: "none", content: { kind: "audio", trackId: "v2", mediaId: "short", sourceStart: 640, duration: null } });
    expect(layout(added).sound[1]).toBe("b1 120-155 short@1000, n1 400-437 short@640");
  });

  it("names what it made", () => {
    const result = applyEdit(document, prompt(10, 20, "none"), counter());
    expect(result.refused === null && result.created).toEqual(["n1"]);
  });

  it.each<[string, EditCommand, string]>([
    ["half frames", prompt(1.5, 10, "none"), "numberInvalid"],
    ["no length", prompt(0, 0, "none"), "numberInvalid"],
    ["what is no number", prompt(Number.NaN, 10, "none"), "numberInvalid"],
    ["a prompt of a novel's length", { type: "addSegment", start: 0, ripple: "none", content: { kind: "prompt", text: "x".repeat(20_001), duration: 5 } }, "textTooLong"],
    ["a portrait that is a recording", { type: "addSegment", start: 0, ripple: "none", content: { kind: "portrait", mediaId: "talk", duration: 5 } }, "mediaWrongKind"],
    ["a file that is not there", { type: "addSegment", start: 0, ripple: "none", content: { kind: "portrait", mediaId: "none", duration: 5 } }, "mediaMissing"],
    ["a track that is not there", { type: "addSegment", start: 0, ripple: "none", content: { kind: "audio", trackId: "v9", mediaId: "talk", sourceStart: 0, duration: 5 } }, "trackMissing"],
    ["more than a recording has", { type: "addSegment", start: 0, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "short", sourceStart: 0, duration: 39 } }, "outsideRecording"],
    ["sound behind the recording", { type: "addSegment", start: 0, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "short", sourceStart: 24_000, duration: null } }, "outsideRecording"],
    ["what reaches past the last frame", prompt(9_999_999, 2, "none"), "numberInvalid"],
    ["what pushes others past the last frame", prompt(0, 9_999_999, "track"), "tooLong"],
  ])("refuses %s", (_, command, reason) => {
    expect(refusalOf(document, command)).toBe(reason);
  });
});

describe("moving", () => {
  const move = (ids: string[], byFrames: number, byTracks = 0): EditCommand => ({ type: "moveSegments", ids, byFrames, byTracks });

  it("overwrites where it lands and leaves a gap where it was", () => {
    expect(layout(edited(document, move(["a3"], -120))).sound[0]).toBe("a1 0-80 talk@0, a3 80-180 talk@960000");
  });

  it("moves segments of several tracks together", () => {
    expect(layout(edited(document, move(["p2", "t2", "b1"], 10)))).toEqual({
      portraits: "p1 0-200 ana, p2 210-310 ben",
      prompts: "t1 0-96 calm, t2 130-210 happy",
      sound: [before.sound[0], "b1 130-165 short@1000"],
    });
  });

  it("moves sound to another track, and pictures in time only", () => {
    const moved = layout(edited(document, move(["a2", "a3", "p2"], 5, 1)));
    expect(moved.sound).toEqual(["a1 0-100 talk@0", "a2 105-155 talk@480000, a3 205-305 talk@960000"]);
    expect(moved.portraits).toBe("p1 0-200 ana, p2 205-305 ben");
  });

  it("stops the whole group at frame 0", () => {
    expect(layout(edited(document, move(["a2", "a3"], -1000))).sound[0]).toBe("a2 0-50 talk@480000, a1 50-100 talk@96000, a3 100-200 talk@960000");
  });

  it("is the same document when nothing moves", () => {
    expect(edited(document, move(["a2"], 0))).toBe(document);
    expect(edited(document, move(["a1", "a2"], -5))).toBe(document);
    expect(edited(document, move(["p1"], 0, 1))).toBe(document);
  });

  it("shares the tracks that it does not touch", () => {
    const moved = edited(document, move(["b1"], 10));
    expect(moved.portraits).toBe(document.portraits);
    expect(moved.audioTracks[0]).toBe(document.audioTracks[0]);
  });

  it.each<[string, EditCommand, string]>([
    ["beyond the last track", move(["a1"], 0, 2), "trackMissing"],
    ["above the first track", move(["a1", "b1"], 0, -1), "trackMissing"],
    ["by a fraction", move(["a1"], 0.5), "numberInvalid"],
    ["nothing", move([], 5), "nothingSelected"],
    ["what is not there", move(["a1", "gone"], 5), "segmentMissing"],
    ["past the last frame", move(["a3"], 9_999_999), "tooLong"],
  ])("refuses to move %s", (_, command, reason) => {
    expect(refusalOf(document, command)).toBe(reason);
  });
});

describe("copy, paste and duplicate", () => {
  it("pastes all that was copied, with the same distances, onto other tracks", () => {
    const clipboard = copySegments(document, ["a2", "b1", "t2"]);
    if (clipboard === null) throw new Error("nothing was copied");
    expect(clipboard.frames).toBe(100);
    const pasted = edited(document, { type: "paste", clipboard, start: 400, trackId: null, ripple: "none" });
    expect(layout(pasted)).toEqual({
      portraits: before.portraits,
      prompts: `${before.prompts}, n1 420-500 happy`,
      sound: [`${before.sound[0] ?? ""}, n2 400-450 talk@480000`, `${before.sound[1] ?? ""}, n3 420-455 short@1000`],
    });
    expect(refusalOf(document, { type: "paste", clipboard, start: 400, trackId: "v2", ripple: "none" })).toBe("trackMissing");
  });

  it("outlives the originals and their files", () => {
    const clipboard = copySegments(document, ["b1"]);
    if (clipboard === null) throw new Error("nothing was copied");
    const emptied = edited(document, { type: "deleteSegments", ids: ["b1"], ripple: "none" }, { type: "removeMedia", mediaId: "short" });
    const pasted = edited(emptied, { type: "paste", clipboard, start: 10, trackId: "v2", ripple: "none" });
    expect(layout(pasted).sound[1]).toBe("n1 10-45 short@1000");
    expect(pasted.media).toContainEqual(document.media.find((media) => media.id === "short"));
  });

  it("finds the same file under another id, and refuses when another file has its place", () => {
    const clipboard = copySegments(document, ["p2"]);
    if (clipboard === null) throw new Error("nothing was copied");
    const elsewhere = { ...document, portraits: [], media: [{ ...image("ben"), id: "other" }] };
    expect(layout(edited(elsewhere, { type: "paste", clipboard, start: 0, trackId: null, ripple: "none" })).portraits).toBe("n1 0-100 other");
    const taken = { ...elsewhere, media: [{ ...image("eve"), path: image("ben").path }] };
    expect(refusalOf(taken, { type: "paste", clipboard, start: 0, trackId: null, ripple: "none" })).toBe("mediaConflict");
    const idTaken = { ...elsewhere, media: [{ ...image("eve"), id: "ben" }] };
    expect(layout(edited(idTaken, { type: "paste", clipboard, start: 0, trackId: null, ripple: "none" })).portraits).toBe("n2 0-100 n1");
  });

  it("keeps gain and fades", () => {
    const loud = edited(document, { type: "setSegmentGain", ids: ["a2"], gainDecibels: 3 }, { type: "setFade", id: "a2", edge: "in", frames: 7 });
    expect(layout(edited(loud, { type: "duplicateSegments", ids: ["a2"], ripple: "none" })).sound[0]).toContain("n1 150-200 talk@480000 3 dB fades 7/0");
  });

  it("duplicates behind the selection, making room if asked", () => {
    expect(layout(edited(document, { type: "duplicateSegments", ids: ["a1"], ripple: "track" })).sound[0]).toBe("a1 0-100 talk@0, n1 100-200 talk@0, a2 200-250 talk@480000, a3 300-400 talk@960000");
    expect(layout(edited(document, { type: "duplicateSegments", ids: ["b1"], ripple: "none" })).sound[1]).toBe("b1 120-155 short@1000, n1 155-190 short@1000");
  });

  it("copies nothing when something is not there", () => {
    expect(copySegments(document, ["gone"])).toBeNull();
    expect(copySegments(document, [])).toBeNull();
  });

  it("refuses a clipboard whose segments overlap", () => {
    const item = { kind: "prompt", offset: 0, duration: 10, text: "x" } as const;
    const clipboard: Clipboard = { format: "avatar-studio-segments", version: 1, frames: 15, items: [item, { ...item, offset: 5 }], media: [] };
    expect(refusalOf(document, { type: "paste", clipboard, start: 0, trackId: null, ripple: "none" })).toBe("numberInvalid");
  });
});
