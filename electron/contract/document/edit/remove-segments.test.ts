import { describe, expect, it } from "vitest";
import { edited, layout, refusalOf, sampleDocument } from "../testing/sample-document.ts";
import type { EditCommand, Ripple } from "./commands.ts";

const document = sampleDocument();
const before = layout(document);
const remove = (ids: string[], ripple: Ripple): EditCommand => ({ type: "deleteSegments", ids, ripple });
const markers = (changed: typeof document): number[] => changed.markers.map((marker) => marker.frame);

describe("deleting", () => {
  it("leaves a gap", () => {
    expect(layout(edited(document, remove(["a1", "t2", "p1"], "none")))).toEqual({
      portraits: "p2 200-300 ben",
      prompts: "t1 0-96 calm",
      sound: ["a2 100-150 talk@480000, a3 200-300 talk@960000", before.sound[1]],
    });
  });

  it("closes the gap on each track by itself", () => {
    const closed = edited(document, remove(["a1", "a2", "t1"], "track"));
    expect(layout(closed)).toEqual({ portraits: before.portraits, prompts: "t2 24-104 happy", sound: ["a3 50-150 talk@960000", before.sound[1]] });
    expect(markers(closed)).toEqual([110, 250]);
  });

  it("closes the gap on all tracks where no other sound is", () => {
    // b1 lies over 120 to 155, so that only 100 to 120 can go.
    const closed = edited(document, remove(["a2"], "all"));
    expect(layout(closed)).toEqual({
      portraits: "p1 0-180 ana, p2 180-280 ben",
      prompts: "t1 0-96 calm, t2 100-180 happy",
      sound: ["a1 0-100 talk@0, a3 180-280 talk@960000", "b1 100-135 short@1000"],
    });
    expect(markers(closed)).toEqual([100, 230]);
  });

  it("closes only what was chosen, when that was under sound", () => {
    expect(layout(edited(document, remove(["t1"], "all")))).toEqual({ ...before, prompts: "t2 120-200 happy" });
  });

  it("keeps a prompt that is still in force behind the gap, although its time is gone", () => {
    // t2 lies within b1 and the rest of the gap; behind it "happy" holds on.
    const shorter = edited(document, { type: "trimSegment", id: "t2", edge: "end", toFrame: 140, mode: "stop" });
    const closed = edited(shorter, remove(["a2", "b1"], "all"));
    expect(layout(closed).prompts).toBe("t1 0-96 calm, t2 100-120 happy");
    expect(layout(closed).sound).toEqual(["a1 0-100 talk@0, a3 145-245 talk@960000", ""]);
  });

  it("drops a prompt within the gap when another begins right behind it", () => {
    const followed = edited(document, { type: "addSegment", start: 150, ripple: "none", content: { kind: "prompt", text: "sad", duration: 60 } });
    const closed = edited(followed, remove(["a2", "b1"], "all"));
    // 100 to 155 is gone: t2 lay within, and what is left of the new one begins where it ended.
    expect(layout(closed).prompts).toBe("t1 0-96 calm, n1 100-155 sad");
  });

  it("refuses what is not there", () => {
    expect(refusalOf(document, remove(["gone"], "none"))).toBe("segmentMissing");
    expect(refusalOf(document, remove([], "all"))).toBe("nothingSelected");
  });
});

describe("splitting", () => {
  it("cuts all tracks", () => {
    expect(layout(edited(document, { type: "split", frame: 130, target: { kind: "all" } }))).toEqual({
      portraits: "p1 0-130 ana, n1 130-200 ana, p2 200-300 ben",
      prompts: "t1 0-96 calm, t2 120-130 happy, n2 130-200 happy",
      sound: ["a1 0-100 talk@0, a2 100-130 talk@480000, n3 130-150 talk@537600, a3 200-300 talk@960000", "b1 120-130 short@1000, n4 130-155 short@7400"],
    });
  });

  it("cuts some tracks, or some segments", () => {
    expect(layout(edited(document, { type: "split", frame: 130, target: { kind: "tracks", tracks: [{ kind: "prompt" }, { kind: "audio", trackId: "v2" }] } }))).toEqual({
      portraits: before.portraits,
      prompts: "t1 0-96 calm, t2 120-130 happy, n1 130-200 happy",
      sound: [before.sound[0], "b1 120-130 short@1000, n2 130-155 short@7400"],
    });
    expect(layout(edited(document, { type: "split", frame: 130, target: { kind: "segments", ids: ["a2", "a3"] } })).prompts).toBe(before.prompts);
  });

  it("leaves fades at the outer edges", () => {
    const faded = edited(document, { type: "setFade", id: "a2", edge: "in", frames: 30 }, { type: "setFade", id: "a2", edge: "out", frames: 20 });
    expect(layout(edited(faded, { type: "split", frame: 110, target: { kind: "segments", ids: ["a2"] } })).sound[0]).toContain("a2 100-110 talk@480000 fades 10/0, n1 110-150 talk@499200 fades 0/20");
  });

  it.each<[string, EditCommand, string]>([
    ["at an edge", { type: "split", frame: 200, target: { kind: "tracks", tracks: [{ kind: "portrait" }] } }, "nothingToSplit"],
    ["in a gap", { type: "split", frame: 170, target: { kind: "tracks", tracks: [{ kind: "audio", trackId: "v1" }] } }, "nothingToSplit"],
    ["what is not there", { type: "split", frame: 50, target: { kind: "segments", ids: ["gone"] } }, "segmentMissing"],
    ["between frames", { type: "split", frame: 50.5, target: { kind: "all" } }, "numberInvalid"],
  ])("refuses to cut %s", (_, command, reason) => {
    expect(refusalOf(document, command)).toBe(reason);
  });
});
