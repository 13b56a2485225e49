import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { violationsOf } from "../invariants.ts";
import { edited, layout, recording, refusalOf, sampleDocument } from "../testing/sample-document.ts";
import type { EditCommand, TrimMode } from "./commands.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const document = sampleDocument();
const before = layout(document);
const trim = (id: string, edge: "start" | "end", toFrame: number, mode: TrimMode = "stop"): EditCommand => ({ type: "trimSegment", id, edge, toFrame, mode });
const soundAfter = (...commands: EditCommand[]): string | undefined => layout(edited(document, ...commands)).sound[0];

describe("trimming", () => {
  it("moves an edge and what is heard at it", () => {
    expect(soundAfter(trim("a3", "start", 210))).toBe("a1 0-100 talk@0, a2 100-150 talk@480000, a3 210-300 talk@979200");
    expect(soundAfter(trim("a3", "start", 190))).toBe("a1 0-100 talk@0, a2 100-150 talk@480000, a3 190-300 talk@940800");
    expect(soundAfter(trim("a3", "end", 260))).toBe("a1 0-100 talk@0, a2 100-150 talk@480000, a3 200-260 talk@960000");
  });

  it("stops at the neighbour, at one frame, at the beginning of time and at the ends of the recording", () => {
    expect(soundAfter(trim("a3", "start", 90))).toContain("a3 150-300 talk@864000");
    expect(soundAfter(trim("a2", "end", 1000))).toContain("a2 100-200 talk@480000");
    expect(soundAfter(trim("a2", "end", 0))).toContain("a2 100-101 talk@480000");
    expect(soundAfter(trim("a2", "start", 1000))).toContain("a2 149-150 talk@574080");
    const trimmed = (command: EditCommand): string | undefined => layout(edited(document, command)).sound[1];
    // 1,000 samples at 16 kHz are one frame and a half; the recording ends within its frame 38.
    expect(trimmed(trim("b1", "start", 0))).toBe("b1 119-155 short@360");
    expect(trimmed(trim("b1", "end", 1000))).toBe("b1 120-156 short@1000");
    expect(layout(edited(document, trim("p1", "start", 50), trim("p1", "start", -100))).portraits).toBe("p1 0-200 ana, p2 200-300 ben");
  });

  it("keeps the fades as long as they fit", () => {
    const faded = edited(document, { type: "setFade", id: "a2", edge: "in", frames: 20 }, { type: "setFade", id: "a2", edge: "out", frames: 25 });
    expect(layout(edited(faded, trim("a2", "end", 140))).sound[0]).toContain("a2 100-140 talk@480000 fades 20/20");
    expect(layout(edited(faded, trim("a2", "end", 110))).sound[0]).toContain("a2 100-110 talk@480000 fades 10/0");
  });

  it("stays within the recording at any rate, also where frames begin between samples", () => {
    fc.assert(
      fc.property(fc.integer({ min: 26, max: 400 }), fc.nat(), fc.integer({ min: 1, max: 60 }), (rate, sample, frames) => {
        const odd = { ...document, media: [...document.media, recording("slow", 1_000, rate)] };
        const added = edited(odd, { type: "addSegment", start: 500, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "slow", sourceStart: sample % 1_000, duration: null } });
        expect(violationsOf(edited(added, trim("n1", "start", 500 - frames)))).toEqual([]);
        expect(violationsOf(edited(added, trim("n1", "start", 500 + frames)))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("does nothing when the edge is there already", () => {
    expect(edited(document, trim("a2", "end", 150))).toBe(document);
    expect(edited(document, trim("p1", "end", 220))).toBe(document);
  });

  it("refuses what is not there and what is no frame", () => {
    expect(refusalOf(document, trim("gone", "end", 10))).toBe("segmentMissing");
    expect(refusalOf(document, trim("a1", "end", 10.5))).toBe("numberInvalid");
  });
});

describe("rolling", () => {
  it("gives to one what it takes from the other", () => {
    expect(layout(edited(document, trim("p1", "end", 230, "roll"))).portraits).toBe("p1 0-230 ana, p2 230-300 ben");
    expect(layout(edited(document, trim("p2", "start", 150, "roll"))).portraits).toBe("p1 0-150 ana, p2 150-300 ben");
    expect(soundAfter(trim("a1", "end", 110, "roll"))).toContain("a1 0-110 talk@0, a2 110-150 talk@499200");
  });

  it("leaves each of them a frame, and both within their recordings", () => {
    expect(layout(edited(document, trim("p1", "end", 999, "roll"))).portraits).toBe("p1 0-299 ana, p2 299-300 ben");
    expect(layout(edited(document, trim("p2", "start", -5, "roll"))).portraits).toBe("p1 0-1 ana, p2 1-300 ben");
    const beside = edited(document, { type: "addSegment", start: 155, ripple: "none", content: { kind: "audio", trackId: "v2", mediaId: "short", sourceStart: 640, duration: 20 } });
    // What follows has one frame before its first sample, and b1 one frame behind its end.
    expect(layout(edited(beside, trim("b1", "end", 0, "roll"))).sound[1]).toBe("b1 120-154 short@1000, n1 154-175 short@0");
    expect(layout(edited(beside, trim("n1", "start", 170, "roll"))).sound[1]).toBe("b1 120-156 short@1000, n1 156-175 short@1280");
  });

  it("is refused without a neighbour that touches", () => {
    expect(refusalOf(document, trim("a3", "start", 190, "roll"))).toBe("neighbourMissing");
    expect(refusalOf(document, trim("a1", "start", 10, "roll"))).toBe("neighbourMissing");
  });
});

describe("rippling", () => {
  it("moves what follows on the track", () => {
    expect(soundAfter(trim("a1", "end", 90, "rippleTrack"))).toBe("a1 0-90 talk@0, a2 90-140 talk@480000, a3 190-290 talk@960000");
    expect(soundAfter(trim("a2", "end", 160, "rippleTrack"))).toBe("a1 0-100 talk@0, a2 100-160 talk@480000, a3 210-310 talk@960000");
    expect(layout(edited(document, trim("a1", "end", 90, "rippleTrack"))).prompts).toBe(before.prompts);
  });

  it("keeps the start of a segment in its place when that is trimmed", () => {
    expect(soundAfter(trim("a2", "start", 110, "rippleTrack"))).toBe("a1 0-100 talk@0, a2 100-140 talk@499200, a3 190-290 talk@960000");
    expect(soundAfter(trim("a2", "start", 90, "rippleTrack"))).toBe("a1 0-100 talk@0, a2 100-160 talk@460800, a3 210-310 talk@960000");
  });

  it("makes room on all tracks", () => {
    const grown = edited(document, trim("a2", "end", 160, "rippleAll"));
    expect(layout(grown)).toEqual({
      portraits: "p1 0-210 ana, p2 210-310 ben",
      prompts: "t1 0-96 calm, t2 120-210 happy",
      sound: ["a1 0-100 talk@0, a2 100-160 talk@480000, a3 210-310 talk@960000", "b1 120-150 short@1000, n1 160-165 short@20200"],
    });
    expect(grown.markers.map((marker) => marker.frame)).toEqual([110, 260]);
    expect(layout(edited(document, trim("a2", "start", 90, "rippleAll")))).toEqual({
      portraits: "p1 0-210 ana, p2 210-310 ben",
      prompts: "t1 0-96 calm, t2 130-210 happy",
      sound: ["a1 0-100 talk@0, a2 100-160 talk@460800, a3 210-310 talk@960000", "b1 130-165 short@1000"],
    });
  });

  it("closes up on all tracks where no other sound is", () => {
    // 140 to 150 is under b1 and stays; the gap remains.
    expect(layout(edited(document, trim("a2", "end", 140, "rippleAll"))).sound[0]).toBe("a1 0-100 talk@0, a2 100-140 talk@480000, a3 200-300 talk@960000");
    expect(layout(edited(document, trim("a1", "end", 90, "rippleAll")))).toEqual({
      portraits: "p1 0-190 ana, p2 190-290 ben",
      prompts: "t1 0-90 calm, t2 110-190 happy",
      sound: ["a1 0-90 talk@0, a2 90-140 talk@480000, a3 190-290 talk@960000", "b1 110-145 short@1000"],
    });
    expect(layout(edited(document, trim("a2", "start", 110, "rippleAll"))).sound).toEqual(["a1 0-100 talk@0, a2 100-140 talk@499200, a3 190-290 talk@960000", "b1 110-145 short@1000"]);
  });
});
