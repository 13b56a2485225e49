import { describe, expect, it } from "vitest";
import { violationsOf } from "../invariants.ts";
import { counter, edited, image, layout, recording, refusalOf, sampleDocument } from "../testing/sample-document.ts";
import { applyEdit } from "./apply-edit.ts";
import type { EditCommand } from "./commands.ts";
import { labelOf } from "./labels.ts";

const document = sampleDocument();
const soundOf = (changed: typeof document, track = 0): string | undefined => layout(changed).sound[track];

describe("properties of segments", () => {
  it("sets prompt, gain and portrait", () => {
    expect(layout(edited(document, { type: "setPromptText", id: "t2", text: "sad" })).prompts).toBe("t1 0-96 calm, t2 120-200 sad");
    const quiet = edited(document, { type: "setSegmentGain", ids: ["a1", "b1"], gainDecibels: -6.5 });
    expect(layout(quiet).sound).toEqual(["a1 0-100 talk@0 -6.5 dB, a2 100-150 talk@480000, a3 200-300 talk@960000", "b1 120-155 short@1000 -6.5 dB"]);
    expect(layout(edited(document, { type: "setSegmentMedia", id: "p2", mediaId: "ana" })).portraits).toBe("p1 0-200 ana, p2 200-300 ana");
  });

  it("puts another recording in the same place, as much as there is of it", () => {
    expect(soundOf(edited(document, { type: "setSegmentMedia", id: "a3", mediaId: "short" }))).toContain("a3 200-238 short@0");
    expect(soundOf(edited(document, { type: "setSegmentMedia", id: "b1", mediaId: "talk" }), 1)).toBe("b1 120-155 talk@0");
  });

  it("lets fades meet but not cross", () => {
    const faded = edited(document, { type: "setFade", id: "a2", edge: "out", frames: 20 }, { type: "setFade", id: "a2", edge: "in", frames: 1_000 });
    expect(soundOf(faded)).toContain("a2 100-150 talk@480000 fades 30/20");
  });
});

describe("audio tracks", () => {
  it("adds, renames, mutes and removes", () => {
    const added = edited(document, { type: "addAudioTrack", trackId: "v3", name: "Music", index: 1 });
    expect(added.audioTracks.map((track) => track.id)).toEqual(["v1", "v3", "v2"]);
    const changed = edited(added, { type: "renameAudioTrack", trackId: "v3", name: "Song" }, { type: "setTrackMuted", trackId: "v3", muted: true }, { type: "setTrackGain", trackId: "v3", gainDecibels: -3 });
    expect(changed.audioTracks[1]).toEqual({ id: "v3", name: "Song", muted: true, gainDecibels: -3, segments: [] });
    expect(changed.audioTracks[0]).toBe(document.audioTracks[0]);
    expect(edited(changed, { type: "removeAudioTrack", trackId: "v1" }).audioTracks.map((track) => track.id)).toEqual(["v3", "v2"]);
  });

  it("keeps one", () => {
    const one = edited(document, { type: "removeAudioTrack", trackId: "v1" });
    expect(refusalOf(one, { type: "removeAudioTrack", trackId: "v2" })).toBe("lastAudioTrack");
  });
});

describe("markers and range", () => {
  it("keeps markers in order", () => {
    const moved = edited(document, { type: "addMarker", frame: 180, label: "new" }, { type: "moveMarker", id: "m1", frame: 260 }, { type: "renameMarker", id: "m2", label: "renamed" });
    expect(moved.markers).toEqual([
      { id: "n1", frame: 180, label: "new" },
      { id: "m2", frame: 250, label: "renamed" },
      { id: "m1", frame: 260, label: "first" },
    ]);
    expect(edited(moved, { type: "removeMarkers", ids: ["m1", "n1"] }).markers.map((marker) => marker.id)).toEqual(["m2"]);
  });

  it("sets and clears the range", () => {
    const ranged = edited(document, { type: "setRange", range: { start: 10, end: 20 } });
    expect(ranged.range).toEqual({ start: 10, end: 20 });
    expect(edited(ranged, { type: "setRange", range: { start: 10, end: 20 } })).toBe(ranged);
    expect(edited(ranged, { type: "setRange", range: null }).range).toBeNull();
  });
});

describe("media", () => {
  it("adds, renames and removes", () => {
    const added = edited(document, { type: "addMedia", media: image("eve") }, { type: "renameMedia", mediaId: "eve", name: "Eve" });
    expect(added.media[added.media.length - 1]).toEqual({ ...image("eve"), name: "Eve" });
    expect(edited(added, { type: "removeMedia", mediaId: "eve" }).media).toEqual(document.media);
    expect(edited(added, { type: "removeUnusedMedia" }).media.map((media) => media.id)).toEqual(["ana", "ben", "talk", "short"]);
  });

  it("replaces a file: what it does not have is cut off or removed", () => {
    // 2.5 s at half the rate: a1 fits, a2 has nothing left, a3 neither.
    const replaced = edited(document, { type: "replaceMedia", mediaId: "talk", media: recording("retake", 60_000, 24_000) });
    expect(soundOf(replaced)).toBe("a1 0-63 talk@0");
    expect(replaced.media.find((media) => media.id === "talk")).toEqual({ ...recording("retake", 60_000, 24_000), id: "talk" });
    const longer = edited(document, { type: "replaceMedia", mediaId: "talk", media: recording("retake", 1_500_000, 24_000) });
    expect(soundOf(longer)).toBe("a1 0-100 talk@0, a2 100-150 talk@240000, a3 200-300 talk@480000");
  });
});

describe("project and settings", () => {
  it("changes what is named and keeps the rest, unknown fields too", () => {
    const newer = { ...document, settings: { ...document.settings, final: { ...document.settings.final, upscale: 2 } } };
    const changed = edited(newer, { type: "changeQuality", quality: "final", change: { sampleSteps: 6 } }, { type: "changeSettings", change: { baseSeed: 8 } }, { type: "renameProject", name: "Other" });
    expect(changed.settings).toEqual({ ...newer.settings, baseSeed: 8, final: { width: 704, height: 384, sampleSteps: 6, upscale: 2 } });
    expect(changed.name).toBe("Other");
  });
});

describe("several edits as one", () => {
  const label = { key: "edit.newVideo", values: {} };
  it("are all done, one after the other", () => {
    const batch: EditCommand = {
      type: "batch",
      label,
      commands: [
        { type: "addMedia", media: image("eve") },
        { type: "addSegment", start: 300, ripple: "none", content: { kind: "portrait", mediaId: "eve", duration: 10 } },
      ],
    };
    expect(layout(edited(document, batch)).portraits).toBe("p1 0-200 ana, p2 200-300 ben, n1 300-310 eve");
    expect(labelOf(batch)).toBe(label);
  });
  it("or none of them is", () => {
    const batch: EditCommand = { type: "batch", label, commands: [{ type: "deleteSegments", ids: ["a1"], ripple: "none" }, { type: "setPromptText", id: "gone", text: "" }] };
    expect(refusalOf(document, batch)).toBe("segmentMissing");
  });
});

describe("what is refused", () => {
  const many = "x".repeat(20_001);
  it.each<[EditCommand, string]>([
    [{ type: "setPromptText", id: "t1", text: many }, "textTooLong"],
    [{ type: "setPromptText", id: "a1", text: "x" }, "notPrompt"],
    [{ type: "setPromptText", id: "gone", text: "x" }, "segmentMissing"],
    [{ type: "setSegmentMedia", id: "t1", mediaId: "ana" }, "notMedia"],
    [{ type: "setSegmentMedia", id: "p1", mediaId: "talk" }, "mediaWrongKind"],
    [{ type: "setSegmentMedia", id: "a1", mediaId: "ana" }, "mediaWrongKind"],
    [{ type: "setSegmentMedia", id: "a1", mediaId: "gone" }, "mediaMissing"],
    [{ type: "setSegmentGain", ids: ["a1"], gainDecibels: 24.5 }, "numberInvalid"],
    [{ type: "setSegmentGain", ids: ["a1"], gainDecibels: Number.NaN }, "numberInvalid"],
    [{ type: "setSegmentGain", ids: ["t1"], gainDecibels: 0 }, "notAudio"],
    [{ type: "setFade", id: "p1", edge: "in", frames: 1 }, "notAudio"],
    [{ type: "setFade", id: "a1", edge: "in", frames: -1 }, "numberInvalid"],
    [{ type: "addAudioTrack", trackId: "v1", name: "", index: 0 }, "idInUse"],
    [{ type: "addAudioTrack", trackId: "v3", name: "", index: 3 }, "numberInvalid"],
    [{ type: "addAudioTrack", trackId: "v3", name: many, index: 0 }, "textTooLong"],
    [{ type: "removeAudioTrack", trackId: "v3" }, "trackMissing"],
    [{ type: "setTrackMuted", trackId: "v3", muted: true }, "trackMissing"],
    [{ type: "setTrackGain", trackId: "v1", gainDecibels: -61 }, "numberInvalid"],
    [{ type: "addMarker", frame: -1, label: "" }, "numberInvalid"],
    [{ type: "addMarker", frame: 1, label: many }, "textTooLong"],
    [{ type: "moveMarker", id: "gone", frame: 1 }, "markerMissing"],
    [{ type: "removeMarkers", ids: ["gone"] }, "markerMissing"],
    [{ type: "setRange", range: { start: 5, end: 5 } }, "rangeEmpty"],
    [{ type: "setRange", range: { start: -5, end: 5 } }, "numberInvalid"],
    [{ type: "addMedia", media: image("ana") }, "idInUse"],
    [{ type: "replaceMedia", mediaId: "talk", media: image("eve") }, "mediaWrongKind"],
    [{ type: "removeMedia", mediaId: "talk" }, "mediaInUse"],
    [{ type: "renameMedia", mediaId: "talk", name: "" }, "nameEmpty"],
    [{ type: "renameProject", name: "" }, "nameEmpty"],
    [{ type: "changeSettings", change: { inferFrames: 50 } }, "numberInvalid"],
    [{ type: "changeSettings", change: { baseSeed: 0.5 } }, "numberInvalid"],
    [{ type: "changeSettings", change: { modelId: "" } }, "nameEmpty"],
    [{ type: "changeQuality", quality: "final", change: { width: 63 } }, "numberInvalid"],
    [{ type: "changeQuality", quality: "final", change: { sampleSteps: 7 } }, "numberInvalid"],
  ])("%j", (command, reason) => {
    expect(refusalOf(document, command)).toBe(reason);
  });

  it("is more than a project can hold", () => {
    const newId = counter("s");
    const prompts = Array.from({ length: 20_000 }, (_, index) => ({ id: newId(), start: index * 2, duration: 1, text: "x" }));
    const full = { ...document, prompts };
    expect(violationsOf(full)).toEqual([]);
    expect(refusalOf(full, { type: "addSegment", start: 50_000, ripple: "none", content: { kind: "prompt", text: "x", duration: 1 } })).toBe("tooMany");
    expect(refusalOf(full, { type: "addSegment", start: 0, ripple: "none", content: { kind: "prompt", text: "x", duration: 1 } })).toBeNull();
  });
});

it("gives the same object back when nothing changes", () => {
  const commands: EditCommand[] = [
    { type: "setPromptText", id: "t1", text: "calm" },
    { type: "setSegmentMedia", id: "p1", mediaId: "ana" },
    { type: "setSegmentGain", ids: ["a1"], gainDecibels: 0 },
    { type: "setFade", id: "a1", edge: "in", frames: 0 },
    { type: "renameAudioTrack", trackId: "v1", name: "Voice 1" },
    { type: "setTrackMuted", trackId: "v1", muted: false },
    { type: "moveMarker", id: "m1", frame: 110 },
    { type: "renameMedia", mediaId: "ana", name: "ana.bin" },
    { type: "renameProject", name: "Sample" },
    { type: "setRange", range: null },
    { type: "changeSettings", change: { baseSeed: 7 } },
    { type: "changeQuality", quality: "preview", change: {} },
  ];
  for (const command of commands) {
    const result = applyEdit(document, command, counter());
    expect(result.refused === null && result.document === document, command.type).toBe(true);
  }
});
