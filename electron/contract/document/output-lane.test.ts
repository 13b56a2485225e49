import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Fault } from "../fault.schema.ts";
import type { Job, RenderScope } from "../jobs.schema.ts";
import type { EditCommand } from "./edit/commands.ts";
import { type Cell, type OutputLane, outputLane } from "./output-lane.ts";
import type { ProjectDocument } from "./project-document.schema.ts";
import { compileTakes, ingredientsOfTake } from "./takes.ts";
import { renderedOutputs } from "./testing/hour-document.ts";
import { randomDocument, timelineEdit, tryEdit } from "./testing/random-edits.ts";
import { counter, edited, image, recording, sampleDocument } from "./testing/sample-document.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const document = sampleDocument();
const outputs = renderedOutputs(document, "final");
const states = (lane: OutputLane): string => lane.cells.map((cell) => cell.state.kind).join(" ");
const reasons = (cell: Cell | undefined): string[] => (cell?.state.kind === "stale" ? cell.state.reasons.map((reason) => ("clip" in reason ? `${reason.kind} ${String(reason.clip)}` : reason.kind)) : []);
const laneAfter = (...commands: EditCommand[]): OutputLane => outputLane(edited(document, ...commands), outputs, [], "final");

describe("the output lane", () => {
  it("has a cell for each clip of each take", () => {
    const { cells, counts, firstStaleFrame, firstFrameNotFresh, runs } = outputLane(document, [], [], "final");
    expect(cells.map(({ takeId, clip, startFrame, frames }) => [takeId, clip, startFrame, frames])).toEqual([
      ["p1", 0, 0, 48],
      ["p1", 1, 48, 48],
      ["p1", 2, 96, 48],
      ["p1", 3, 144, 48],
      ["p1", 4, 192, 8],
      ["p2", 0, 200, 48],
      ["p2", 1, 248, 48],
      ["p2", 2, 296, 4],
    ]);
    expect(counts).toEqual({ empty: 8, queued: 0, rendering: 0, fresh: 0, stale: 0, failed: 0 });
    expect([firstStaleFrame, firstFrameNotFresh]).toEqual([null, 0]);
    expect(runs).toEqual([
      { kind: "empty", first: 0, count: 5, startFrame: 0, frames: 200 },
      { kind: "empty", first: 5, count: 3, startFrame: 200, frames: 100 },
    ]);
  });

  it("is fresh after a render, for that quality only", () => {
    const lane = outputLane(document, outputs, [], "final");
    expect(states(lane)).toBe("fresh fresh fresh fresh fresh fresh fresh fresh");
    expect([lane.firstStaleFrame, lane.firstFrameNotFresh]).toEqual([null, null]);
    expect(lane.cells[6]?.state).toEqual({ kind: "fresh", contentHash: "p2-1" });
    expect(outputLane(document, outputs, [], "preview").counts.empty).toBe(8);
  });

  it("is empty while nothing can be rendered", () => {
    expect(laneAfter({ type: "deleteSegments", ids: ["p1", "p2"], ripple: "none" })).toMatchObject({ cells: [], runs: [], firstFrameNotFresh: null });
  });

  it("is empty beyond what is on disk", () => {
    const some = outputs.map((output) => ({ ...output, clips: output.clips.slice(0, 2) }));
    expect(states(outputLane(document, some, [], "final"))).toBe("fresh fresh empty empty empty fresh fresh empty");
  });
});

describe("why a clip is stale", () => {
  const everything = (reason: string): string[][] => Array.from({ length: 5 }, (_, index) => (index === 0 ? [reason] : [reason, "earlierClip 0"]));

  it.each<[string, EditCommand]>([
    ["size", { type: "changeQuality", quality: "final", change: { width: 720 } }],
    ["steps", { type: "changeQuality", quality: "final", change: { sampleSteps: 5 } }],
    ["seed", { type: "changeSettings", change: { baseSeed: 8 } }],
    ["model", { type: "changeSettings", change: { modelId: "other" } }],
    ["portrait", { type: "replaceMedia", mediaId: "ana", media: image("eve") }],
  ])("%s", (reason, command) => {
    expect(outputLane(edited(document, command), outputs, [], "final").cells.slice(0, 5).map(reasons)).toEqual(everything(reason));
  });

  it("a prompt, from the block it changes; later takes stay as they are", () => {
    const lane = laneAfter({ type: "setPromptText", id: "t2", text: "sad" }, { type: "addSegment", start: 200, ripple: "none", content: { kind: "prompt", text: "happy", duration: 5 } });
    expect(lane.cells.map(reasons)).toEqual([[], [], ["prompt"], ["prompt", "earlierClip 2"], ["prompt", "earlierClip 2"], [], [], []]);
    expect(lane.firstStaleFrame).toBe(96);
    expect(lane.runs.map((run) => [run.kind, run.first, run.count])).toEqual([
      ["fresh", 0, 2],
      ["stale", 2, 3],
      ["fresh", 5, 3],
    ]);
  });

  it("sound, and all clips after it because each goes on from the one before", () => {
    const gain = laneAfter({ type: "setSegmentGain", ids: ["a2"], gainDecibels: 3 });
    // a2 sounds from 100 to 150, with b1 until 155.
    expect(gain.cells.map(reasons)).toEqual([[], [], ["sound"], ["sound", "earlierClip 2"], ["earlierClip 2"], [], [], []]);
  });

  it("the length of the last clip", () => {
    const longer = laneAfter({ type: "trimSegment", id: "a3", edge: "end", toFrame: 305, mode: "stop" });
    expect(longer.cells.slice(5).map(reasons)).toEqual([["sound"], ["sound", "earlierClip 0"], ["sound", "length", "earlierClip 0"]]);
  });

  it("the length of clips", () => {
    expect(laneAfter({ type: "changeSettings", change: { inferFrames: 96 } }).cells.slice(0, 1).map(reasons)).toEqual([["clipLength", "prompt", "length"]]);
  });
});

const fault: Fault = { code: "X", what: "", why: "", hint: "", field: null };
const progress = { clipsDone: 0, clipsTotal: 8, clipsReused: 0 };
const job = (state: Job["state"], createdAt = 1, scope: RenderScope = { kind: "all" }): Job => ({ id: "j", projectId: "project", projectName: "", createdAt, revision: 1, work: { kind: "render", quality: "final", scope }, warnings: [], state });
const running = (takeId: string, clip: number): Job["state"] => ({ status: "running", ...progress, startedAt: 0, doing: "", takeId, clip, clipShare: 0.25, framesPerSecond: null, secondsLeft: null, memoryBytes: null, silentSeconds: 0 });
const failed = (clip: number | null): Job["state"] => ({ status: "failed", ...progress, endedAt: 1, fault, clip });
const queued: Job["state"] = { status: "queued", ...progress, resumes: false };

describe("jobs in the output lane", () => {
  const some = outputs.map((output) => ({ ...output, clips: output.clips.slice(0, 2) }));
  const lane = (...jobs: Job[]): OutputLane => outputLane(document, some, jobs, "final");

  it("shows what is rendered now and what waits", () => {
    const shown = lane(job(running("p1", 2)));
    expect(states(shown)).toBe("fresh fresh rendering queued queued fresh fresh queued");
    expect(shown.cells[2]?.state).toEqual({ kind: "rendering", share: 0.25, contentHash: null });
    expect(states(lane(job(queued)))).toBe("fresh fresh queued queued queued fresh fresh queued");
  });

  it("lets no clip wait for a job that began before the clip was edited", () => {
    const now = edited(document, { type: "setPromptText", id: "t2", text: "Something else." });
    const shown = (ofJob: ProjectDocument): string => states(outputLane(now, [], [job(queued)], "final", new Map([["j", ofJob]])));
    expect(shown(document)).toBe("queued queued empty empty empty empty empty empty");
    // Read from the disk it is another object, and says the same.
    expect(shown(structuredClone(now))).toBe("queued ".repeat(8).trim());
    expect(states(outputLane(now, [], [job(queued)], "final"))).toBe("queued ".repeat(8).trim());
    // A take that the job does not know.
    const withoutTakes = { ...document, portraits: [] };
    expect(shown(withoutTakes)).toBe("empty ".repeat(8).trim());
  });

  it("knows how far a range goes", () => {
    const range = (start: number, end: number): string => states(lane(job(queued, 1, { kind: "range", start, end })));
    expect(range(100, 190)).toBe("fresh fresh queued queued empty fresh fresh empty");
    expect(range(250, 300)).toBe("fresh fresh empty empty empty fresh fresh queued");
  });

  it("shows where the newest render failed, until another one follows", () => {
    expect(states(lane(job(failed(3))))).toBe("fresh fresh empty failed empty fresh fresh empty");
    expect(lane(job(failed(3))).cells[3]?.state).toEqual({ kind: "failed", fault, contentHash: null });
    expect(states(lane(job(failed(3)), job({ status: "cancelled", ...progress, endedAt: 2 }, 2)))).toBe("fresh fresh empty empty empty fresh fresh empty");
    expect(states(lane(job(failed(null))))).toBe("fresh fresh empty empty empty fresh fresh empty");
    expect(states(lane(job(failed(0))))).toBe("fresh fresh empty empty empty fresh fresh empty");
  });

  it("does not look at other projects, qualities and exports", () => {
    const others: Job[] = [
      { ...job(queued), projectId: "other" },
      { ...job(queued), work: { kind: "render", quality: "preview", scope: { kind: "all" } } },
      { ...job(queued), work: { kind: "export", quality: "final", fileName: "x.mp4", request: { format: "wav", range: null } } },
    ];
    expect(states(lane(...others))).toBe("fresh fresh empty empty empty fresh fresh empty");
  });

  it("keeps the old picture while a stale clip waits", () => {
    const stale = edited(document, { type: "changeSettings", change: { baseSeed: 1 } });
    expect(outputLane(stale, outputs, [job(queued)], "final").cells[1]?.state).toEqual({ kind: "queued", contentHash: "p1-1" });
  });
});

describe("for any timeline and edit", () => {
  it("what is stale is a tail of each take, from the first clip that changed; its reasons say so", () => {
    fc.assert(
      fc.property(randomDocument, timelineEdit, (before, edit) => {
        const after = tryEdit(before, edit, counter("e"));
        const rendered = renderedOutputs(before, "final");
        expect(outputLane(before, rendered, [], "final").counts).toMatchObject({ stale: 0, empty: 0 });
        const lane = outputLane(after, rendered, [], "final");
        const compilation = compileTakes(after);
        for (const take of compilation.renderable ? compilation.takes : []) {
          const cells = lane.cells.filter((cell) => cell.takeId === take.id);
          const old = rendered.find((output) => output.takeId === take.id);
          const now = ingredientsOfTake(after, take, "final");
          const firstDifferent = now.clips.findIndex((clip, index) => JSON.stringify([now.take, clip]) !== JSON.stringify([old?.ingredients, old?.clips[index]?.ingredients]));
          cells.forEach((cell, index) => {
            const isOnDisk = old?.clips[index] !== undefined;
            const kept = firstDifferent < 0 || index < firstDifferent;
            expect(cell.state.kind).toBe(!isOnDisk ? "empty" : kept ? "fresh" : "stale");
            if (cell.state.kind === "stale") expect(cell.state.reasons.some((reason) => reason.kind === "earlierClip")).toBe(index > firstDifferent);
          });
        }
        expect(lane.runs.reduce((sum, run) => sum + run.count, 0)).toBe(lane.cells.length);
        for (const run of lane.runs) expect(new Set(lane.cells.slice(run.first, run.first + run.count).map((cell) => cell.state.kind))).toEqual(new Set([run.kind]));
      }),
      { numRuns: 100 },
    );
  });

  it("ten minutes are rendered again from where a prompt changes, not from the beginning", () => {
    const long: ProjectDocument = {
      ...document,
      media: [...document.media, recording("long", 600 * 16_000, 16_000)],
      portraits: document.portraits.slice(0, 1),
      audioTracks: [{ id: "v1", name: "", muted: false, gainDecibels: 0, segments: [{ id: "a", start: 0, duration: 15_000, mediaId: "long", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 }] }],
    };
    const after = edited(long, { type: "addSegment", start: 1_000, ripple: "none", content: { kind: "prompt", text: "sad", duration: 100 } });
    const lane = outputLane(after, renderedOutputs(long, "final"), [], "final");
    // The next block after 0:40 begins at 1,008, and so does a clip.
    expect(lane.firstStaleFrame).toBe(1_008);
    expect(lane.counts.fresh).toBe(21);
  });
});
