import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { edgesOf, snap, snapTargets } from "./snapping.ts";
import { edited, sampleDocument } from "./testing/sample-document.ts";
import { randomDocument } from "./testing/random-edits.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const document = edited(sampleDocument(), { type: "setRange", range: { start: 17, end: 333 } });
const none = new Set<string>();
/** At 2 pixels a frame, 6 pixels are 3 frames, and the grid of blocks is 24 pixels wide. */
const targets = snapTargets(document, new Set(["a3"]), 177);
const at = (frame: number, pixelsPerFrame = 2): unknown => snap([0], frame, targets, pixelsPerFrame);

describe("snapping", () => {
  it.each([
    ["the playhead", 178.9, { delta: 177, guide: { frame: 177, kind: "playhead" } }],
    ["the beginning", -2, { delta: 0, guide: { frame: 0, kind: "start" } }],
    ["an edge", 98.2, { delta: 100, guide: { frame: 100, kind: "edge" } }],
    ["a marker", 111, { delta: 110, guide: { frame: 110, kind: "marker" } }],
    ["the range", 330.5, { delta: 333, guide: { frame: 333, kind: "range" } }],
    ["the grid of clips", 46, { delta: 48, guide: { frame: 48, kind: "clip" } }],
    ["the grid of blocks", 61.5, { delta: 60, guide: { frame: 60, kind: "block" } }],
    // The second take begins at 200: its blocks are at 212, 224, …
    ["the grid of a later take", 225, { delta: 224, guide: { frame: 224, kind: "block" } }],
  ])("goes to %s", (_, frame, snapped) => {
    expect(at(frame)).toEqual(snapped);
  });

  it("leaves what is further away where it is, in whole frames", () => {
    expect(at(41.4)).toEqual({ delta: 41, guide: null });
    expect(at(102.9, 20)).toEqual({ delta: 103, guide: null });
  });

  it("does not go to the edges of what moves", () => {
    expect(snap([0], 301, snapTargets(document, none, null), 2)).toMatchObject({ guide: { frame: 300, kind: "edge" } });
    const withoutThem = snapTargets(document, new Set(["a3", "p2"]), null);
    expect(snap([0], 301, withoutThem, 20)).toEqual({ delta: 301, guide: null });
  });

  it("prefers a thing to a grid, and a grid that is too dense attracts nothing", () => {
    // 120 is a line of the block grid, 2 away; the start of b1 is there as well, and 110 is a marker.
    expect(at(118)).toMatchObject({ guide: { frame: 120, kind: "edge" } });
    // A block is 11 pixels wide: only the clip grid is left.
    expect(at(61.5, 0.9)).toEqual({ delta: 62, guide: null });
    expect(at(45, 0.9)).toMatchObject({ guide: { frame: 48, kind: "clip" } });
  });

  it("looks at all edges of a selection and takes the nearest", () => {
    const ids = new Set(["a3", "b1"]);
    const edges = edgesOf(document, ids);
    expect(edges).toEqual([120, 155, 200, 300]);
    // 155 comes within 1.6 of 177, 200 within 2.4 of 220 (no target) and 120 within 3.4 of 137 (none).
    expect(snap(edges, 20.4, snapTargets(document, ids, 177), 3)).toEqual({ delta: 22, guide: { frame: 177, kind: "playhead" } });
  });

  it("always gives whole frames, near to the movement, and lands where the guide is", () => {
    fc.assert(
      fc.property(randomDocument, fc.double({ min: -300, max: 300, noNaN: true }), fc.double({ min: 0.01, max: 40, noNaN: true }), fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 20 }), (random, delta, scale, edges) => {
        const snapped = snap(edges, delta, snapTargets(random, none, 50), scale);
        expect(Number.isInteger(snapped.delta)).toBe(true);
        if (snapped.guide === null) expect(snapped.delta).toBe(Math.round(delta));
        else {
          expect(Math.abs(snapped.delta - delta) * scale).toBeLessThanOrEqual(6 + 1e-6);
          expect(edges.map((edge) => edge + snapped.delta)).toContain(snapped.guide.frame);
        }
      }),
    );
  });

  it("finds the nearest of all edges, as a search through all of them does", () => {
    fc.assert(
      fc.property(randomDocument, fc.double({ min: 0, max: 400, noNaN: true }), (random, frame) => {
        const edges = [0, ...edgesOf(random, new Set([...random.portraits, ...random.prompts, ...random.audioTracks.flatMap((track) => track.segments)].map((segment) => segment.id))), ...random.markers.map((marker) => marker.frame)];
        if (random.range !== null) edges.push(random.range.start, random.range.end);
        const nearest = Math.min(...edges.map((edge) => Math.abs(edge - frame)));
        const snapped = snap([0], frame, snapTargets(random, none, null), 3);
        const isThing = snapped.guide !== null && snapped.guide.kind !== "clip" && snapped.guide.kind !== "block";
        if (Math.abs(nearest - 2) > 1e-6) expect(isThing).toBe(nearest < 2);
        if (isThing) expect(Math.abs(snapped.delta - frame)).toBeCloseTo(nearest, 6);
      }),
    );
  });
});
