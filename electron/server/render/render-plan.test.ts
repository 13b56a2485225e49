import { expect, test } from "vitest";
import { compileTakes, ingredientsOfTake } from "../../contract/document/takes.ts";
import type { ProjectDocument } from "../../contract/document/project-document.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { takesToRemove, type TakeOnDisk } from "./clean-up.ts";
import { engineJob, stateBudget } from "./engine-job.ts";
import { planExport } from "./export-plan.ts";
import { mixName } from "./mix-name.ts";
import { planRender } from "./render-plan.ts";
import { RenderTally } from "./render-tally.ts";

const image = (id: string): ProjectDocument["media"][number] => ({ kind: "image", id, path: `media/${id}.png`, name: `${id}.png`, bytes: 1, sha256: id.repeat(64).slice(0, 64), width: 100, height: 100 });
const segment = (id: string, start: number, duration: number): ProjectDocument["audioTracks"][number]["segments"][number] => ({ id, start, duration, mediaId: "v", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 });
const quality = { width: 384, height: 256, sampleSteps: 3 };
/** Two takes: 100 frames (3 clips of 48), then 60 (2 clips). */
const document: ProjectDocument = {
  format: "avatar-studio-project",
  version: 1,
  id: "d",
  name: "d",
  media: [image("a"), image("b"), { kind: "audio", id: "v", path: "media/v.wav", name: "v", bytes: 1, sha256: "f".repeat(64), samples: 1_000_000, sampleRate: 16_000, channels: 1 }],
  portraits: [
    { id: "one", start: 0, duration: 100, mediaId: "a" },
    { id: "two", start: 100, duration: 60, mediaId: "b" },
  ],
  prompts: [{ id: "p", start: 0, duration: 160, text: "Hello there." }],
  audioTracks: [{ id: "t", name: "t", muted: false, gainDecibels: 0, segments: [segment("s", 0, 80), segment("s2", 90, 70)] }],
  markers: [],
  range: null,
  settings: { modelId: "demo", baseSeed: 1, inferFrames: 48, preview: quality, final: { ...quality, sampleSteps: 4 } },
};

function outputsOf(from: ProjectDocument, clips: Readonly<Record<string, number>>): TakeOutput[] {
  const compilation = compileTakes(from);
  if (!compilation.renderable) throw new Error("not renderable");
  return compilation.takes.map((take) => {
    const ingredients = ingredientsOfTake(from, take, "preview");
    return { takeId: take.id, quality: "preview", ingredients: ingredients.take, width: 384, height: 256, clips: ingredients.clips.slice(0, clips[take.id] ?? 0).map((clip, index) => ({ ingredients: clip, contentHash: `${take.id}${index}`, frames: clip.frames, bytes: 10 })) };
  });
}
const whole = outputsOf(document, { one: 3, two: 2 });
const summary = (plan: ReturnType<typeof planRender>): unknown[] => plan.takes.map(({ take, clips, freshClips, firstClip }) => [take.id, clips, freshClips, firstClip]);
const all = { kind: "all" } as const;
const stale = { kind: "stale" } as const;
const faultOf = (act: () => unknown): FaultError["fault"] => {
  try {
    act();
  } catch (error) {
    if (error instanceof FaultError) return error.fault;
    throw error;
  }
  throw new Error("no fault");
};

test("everything is planned, with what is fresh", () => {
  expect(summary(planRender(document, "preview", all, []))).toEqual([["one", 3, 0, 0], ["two", 2, 0, 3]]);
  expect(planRender(document, "preview", all, whole)).toMatchObject({ clips: 5, freshClips: 5 });
  expect(summary(planRender(document, "final", all, whole))).toEqual([["one", 3, 0, 0], ["two", 2, 0, 3]]);
});

test("stale only leaves out takes that are fresh", () => {
  expect(planRender(document, "preview", stale, whole).takes).toEqual([]);
  expect(summary(planRender(document, "preview", stale, outputsOf(document, { one: 3, two: 1 })))).toEqual([["two", 2, 1, 3]]);
  const edited = { ...document, prompts: [...document.prompts, { id: "q", start: 60, duration: 20, text: "Goodbye." }] };
  expect(summary(planRender(edited, "preview", stale, whole))).toEqual([["one", 3, 1, 0], ["two", 2, 0, 3]]);
});

test("a range covers the takes it touches, each up to the range's end", () => {
  const range = (start: number, end: number): unknown[] => summary(planRender(document, "preview", { kind: "range", start, end }, []));
  expect(range(0, 1)).toEqual([["one", 1, 0, 0]]);
  expect(range(60, 97)).toEqual([["one", 3, 0, 0]]);
  expect(range(99, 101)).toEqual([["one", 3, 0, 0], ["two", 1, 0, 3]]);
  expect(range(150, 9999)).toEqual([["two", 2, 0, 3]]);
  expect(range(160, 170)).toEqual([]);
});

test("what the timeline lacks is named", () => {
  expect(faultOf(() => planRender({ ...document, portraits: [], prompts: [] }, "preview", all, []))).toMatchObject({ code: "NO_PORTRAIT", field: "portrait", why: expect.stringContaining("prompt") as string });
});

test("the engine's job keeps clips in the take's folder and names what is wanted", () => {
  const [first, second] = planRender(document, "preview", { kind: "range", start: 0, end: 40 }, []).takes.concat(planRender(document, "preview", all, []).takes[1]!);
  const facts = { document, projectFolder: "/p", quality: "preview", soundPath: "/p/cache/mix/x.wav", freeDiskBytes: 1e9 } as const;
  expect(engineJob(first!, facts)).toMatchObject({ image: "/p/media/a.png", output: null, num_clip: 1, work_dir: "/p/renders/preview/one", size: { width: 384, height: 256 }, sample_steps: 3, speech_cuts: [0, 80, 90], state_budget_bytes: 5e7 });
  expect(engineJob(second!, facts)).toMatchObject({ image: "/p/media/b.png", num_clip: null, prompts: [{ start_block: 0, text: "Hello there." }] });
  expect(faultOf(() => engineJob(first!, { ...facts, document: { ...document, media: [] } }))).toMatchObject({ code: "MEDIA_MISSING" });
  expect(stateBudget("preview", 1e15)).toBe(2e9);
});

test("the mix's name changes with what is heard and with nothing else", () => {
  const nameOf = (changed: ProjectDocument): string => mixName(planRender(changed, "preview", all, []).takes[0]!.take);
  const name = nameOf(document);
  const track = document.audioTracks[0]!;
  const withTrack = (more: Partial<typeof track>): ProjectDocument => ({ ...document, audioTracks: [{ ...track, ...more }] });
  expect(nameOf({ ...document, name: "other", prompts: [{ ...document.prompts[0]!, text: "Other" }] })).toBe(name);
  expect(nameOf(withTrack({ name: "renamed" }))).toBe(name);
  expect(nameOf(withTrack({ gainDecibels: -3 }))).not.toBe(name);
  expect(nameOf(withTrack({ segments: [segment("s", 0, 79), segment("s2", 90, 70)] }))).not.toBe(name);
  expect(nameOf({ ...document, media: document.media.map((media) => (media.id === "v" ? { ...media, sha256: "e".repeat(64) } : media)) })).not.toBe(name);
});

test("progress counts clips, reused ones, and blocks that are left", () => {
  const { takes } = planRender(document, "preview", all, []);
  const tally = new RenderTally(takes, 48);
  const clip = (index: number, reused: boolean): void => tally.observe({ kind: "clip", clip: index, clips: 3, first_frame: index * 48, frames: 48, path: "", content_hash: "", reused, seconds: 1, memory_bytes: 7, frames_per_second: null, device_memory: null });
  const block = (of: number, index: number, seconds: number): void => tally.observe({ kind: "block", clip: of, block: index, blocks_per_clip: 4, seconds });
  tally.beginTake(0);
  clip(0, true);
  block(0, 0, 9);
  expect(tally.progress()).toMatchObject({ clipsDone: 1, clipsTotal: 5, clipsReused: 1, doing: { text: "Going on from clip 1" }, clipShare: 0, secondsLeft: null });
  for (const index of [0, 1, 2, 3]) block(1, index, 2);
  tally.observe({ kind: "picture", clip: 1, frame: 84, path: "newest.jpg" });
  expect(tally.progress()).toMatchObject({ doing: { text: "Clip 2" }, clip: 1, clipShare: 1, framesPerSecond: 6, picture: { clip: 1, frame: 84 } });
  clip(1, false);
  // One block of the last clip of this take, and five of the next take.
  expect(tally.progress()).toMatchObject({ clipsDone: 2, secondsLeft: 12, clipShare: 0, memoryBytes: 7 });
  // The worker ended: what is on disk is told again, and counted once.
  tally.beginTake(0);
  clip(0, true);
  clip(1, true);
  // Its picture may be of before, and is told again with the next block.
  expect(tally.progress()).toMatchObject({ clipsDone: 2, clipsReused: 2, picture: null });
  clip(2, false);
  tally.endTake();
  tally.beginTake(1);
  block(0, 0, 1);
  expect(tally.progress()).toMatchObject({ clipsDone: 3, takeId: "two", clip: 0, clipOnTimeline: 3, doing: { text: "Clip 4" } });
});

test("an export takes whole takes up to its end, and refuses what is not finished by name", () => {
  const plan = planExport(document, "/p", "preview", { format: "mp4", range: null }, whole);
  expect(plan.takes.map(({ start, frames, clips }) => [start, frames, clips.length])).toEqual([[0, 100, 3], [100, 60, 2]]);
  expect(planExport(document, "/p", "preview", { format: "webm", range: { start: 60, end: 90 }, width: 64 }, whole).takes[0]?.clips.map((clip) => clip.path)).toEqual(["/p/renders/preview/one/clip_00000.m4s", "/p/renders/preview/one/clip_00001.m4s"]);
  expect(planExport(document, "/p", "preview", { format: "wav", range: null }, []).takes).toEqual([]);
  expect(faultOf(() => planExport(document, "/p", "final", { format: "mp4", range: null }, whole))).toMatchObject({ code: "CLIP_MISSING", hint: expect.stringContaining("preview") as string });
  expect(faultOf(() => planExport(document, "/p", "preview", { format: "mp4", range: null }, outputsOf(document, { one: 3, two: 1 })))).toMatchObject({ code: "CLIP_MISSING", what: "The video is not finished: clip 5 (at 0:05:23) is missing." });
  const edited = { ...document, settings: { ...document.settings, baseSeed: 2 } };
  expect(faultOf(() => planExport(edited, "/p", "preview", { format: "png", frame: 3 }, whole))).toMatchObject({ code: "CLIP_STALE", why: expect.stringContaining("the seed") as string });
  expect(faultOf(() => planExport(document, "/p", "preview", { format: "gif", range: { start: 160, end: 170 }, width: 64 }, whole))).toMatchObject({ code: "RANGE_EMPTY" });
});

test("an export takes stale clips where that is asked for, as far as they reach", () => {
  const edited = { ...document, settings: { ...document.settings, baseSeed: 2 } };
  const stale = { format: "mp4", range: null, useStale: true } as const;
  expect(planExport(document, "/p", "preview", stale, whole).staleClips).toBe(0);
  expect(planExport(edited, "/p", "preview", stale, whole)).toMatchObject({ staleClips: 5, takes: [{ frames: 100 }, { frames: 60 }] });
  expect(planExport(edited, "/p", "preview", { format: "png", frame: 3, useStale: true }, whole).staleClips).toBe(1);
  expect(faultOf(() => planExport(edited, "/p", "preview", stale, outputsOf(document, { one: 2, two: 2 })))).toMatchObject({ code: "CLIP_MISSING", what: "The video is not finished: clip 3 (at 0:03:21) is missing." });
  // Clips of half the length: there are enough frames, and all of them are taken.
  const halved = { ...document, settings: { ...document.settings, inferFrames: 96 } };
  expect(planExport(halved, "/p", "preview", stale, whole).takes.map(({ clips }) => clips.reduce((sum, clip) => sum + clip.frames, 0))).toEqual([100, 60]);
});

test("unused takes go when they are old or too many, oldest first", () => {
  const now = 1e12;
  const take = (takeId: string, gigabytes: number, days: number): TakeOnDisk => ({ quality: "final", takeId, bytes: gigabytes * 1e9, usedAt: now - days * 86_400_000 });
  const removed = (...takes: TakeOnDisk[]): string[] => takesToRemove(takes, now).map((one) => one.takeId);
  expect(removed(take("a", 1, 1), take("b", 3, 29))).toEqual([]);
  expect(removed(take("a", 0, 31), take("b", 1, 1))).toEqual(["a"]);
  expect(removed(take("old", 1, 9), take("new", 2, 1), take("middle", 2, 5))).toEqual(["old"]);
});
