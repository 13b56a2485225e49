import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Job } from "../../electron/contract/jobs.schema.ts";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { FaultError } from "../../electron/server/common/fault-error.ts";
import { decodedFrames, probeStreams } from "./support/decoded-frames.ts";
import { openWorkshop, type Workshop } from "./support/workshop.ts";

// One workshop for the file: its worker stays warm, and each test goes on from the clips of the one before it.
const FRAMES = 96;
const CLIPS = 4;
let shop: Workshop;
let takeFolder: string;
beforeAll(async () => {
  shop = await openWorkshop({ frames: FRAMES });
  takeFolder = join(shop.projectFolder, "renders", "preview", "take");
});
afterAll(async () => shop.close());

const all = { kind: "all" } as const;
const withPrompts = (document: ProjectDocument, ...texts: readonly [number, string][]): ProjectDocument => ({
  ...document,
  prompts: texts.map(([start, text], index) => ({ id: `prompt${index}`, start, duration: FRAMES - start, text })),
});
const faultCode = async (promise: Promise<unknown>): Promise<string> => promise.then(() => "none", (error: unknown) => (error instanceof FaultError ? error.fault.code : String(error)));

test("an estimate is made before anything is rendered", async () => {
  const estimate = await shop.work.estimate("project", "preview", all);
  expect(estimate).toMatchObject({ fits: true, width: 64, height: 64, frames: FRAMES, clips: CLIPS, clipsToRender: CLIPS, fault: null });
  expect(estimate.memoryBytes).toBeGreaterThan(1e8);
  const presets = await shop.work.presets(null);
  expect(presets.map(({ preset }) => preset)).toEqual(["quick_preview", "standard", "endless", "high_resolution"]);
  expect(presets[0]?.estimate).toMatchObject({ frames: 480, clips: 10, width: 384, height: 256 });
});

test("a document becomes clips, published as they land, with what they were made from", async () => {
  const jobId = await shop.work.jobs.render("project", "preview", all);
  const state = await shop.until(jobId, "finished");
  expect(state).toMatchObject({ clipsDone: CLIPS, clipsTotal: CLIPS, clipsReused: 0 });
  // What it took beside what the plan had said: the same order of size, on a real engine.
  expect(state.expected?.memoryBytes).toBeGreaterThan(1e8);
  expect(state.peakMemoryBytes).toBeGreaterThan(1e8);
  expect(shop.work.jobs.list().find((job) => job.id === jobId)?.warnings).toEqual([]);
  expect(decodedFrames(takeFolder)).toHaveLength(FRAMES);
  expect(shop.published.map((output) => output.clips.length)).toEqual(expect.arrayContaining([1, 2, 3, CLIPS]));
  const outputs = await shop.work.outputsOf(shop.projectFolder);
  expect(outputs).toHaveLength(1);
  expect(outputs[0]).toEqual(shop.published.at(-1));
  expect(outputs[0]).toMatchObject({ takeId: "take", quality: "preview", width: 64, height: 64, ingredients: { sampleSteps: 2, baseSeed: 7 } });
  expect(state.bytes).toBe(outputs[0]?.clips.reduce((sum, clip) => sum + clip.bytes, 0));
  expect(await shop.work.jobs.log(jobId)).toMatch(/Clip 4[\s\S]*finished, 4 of 4 clips/);
});

test("the same again generates nothing, and stale only is refused", async () => {
  const before = statSync(join(takeFolder, "clip_00000.m4s")).mtimeMs;
  const jobId = await shop.work.jobs.render("project", "preview", all);
  expect(await shop.until(jobId, "finished")).toMatchObject({ clipsDone: CLIPS, clipsReused: CLIPS });
  expect(statSync(join(takeFolder, "clip_00000.m4s")).mtimeMs).toBe(before);
  expect(await faultCode(shop.work.jobs.render("project", "preview", { kind: "stale" }))).toBe("ALREADY_FRESH");
  expect(await shop.work.estimate("project", "preview", all)).toMatchObject({ clipsToRender: 0, seconds: 0 });
});

test("a prompt changed at the end makes only the later clips anew", async () => {
  const pictures = decodedFrames(takeFolder);
  const text = shop.document.prompts[0]?.text ?? "";
  shop.document = withPrompts(shop.document, [0, text], [60, "A woman laughs in warm evening light."]);
  expect(await shop.work.estimate("project", "preview", { kind: "stale" })).toMatchObject({ clips: CLIPS, clipsToRender: 2 });
  const jobId = await shop.work.jobs.render("project", "preview", { kind: "stale" });
  expect(await shop.until(jobId, "finished")).toMatchObject({ clipsDone: CLIPS, clipsReused: 2 });
  const now = decodedFrames(takeFolder);
  // Frame 60 begins block 5, in the middle of the third clip: what is before it keeps its pictures.
  expect(now.slice(0, 60)).toEqual(pictures.slice(0, 60));
  expect(now.slice(60)).not.toEqual(pictures.slice(60));
});

test("a range renders up to its end and keeps what comes after it", async () => {
  const jobId = await shop.work.jobs.render("project", "preview", { kind: "range", start: 10, end: 30 });
  expect(await shop.until(jobId, "finished")).toMatchObject({ clipsDone: 2, clipsTotal: 2, clipsReused: 2 });
  expect((await shop.work.outputsOf(shop.projectFolder))[0]?.clips).toHaveLength(CLIPS);
  expect(await faultCode(shop.work.jobs.render("project", "preview", { kind: "range", start: 1000, end: 1001 }))).toBe("RANGE_EMPTY");
});

test("edits made while a job runs do not touch it: its clips are recorded as what they are", async () => {
  const seen = shop.document;
  shop.document = { ...seen, settings: { ...seen.settings, baseSeed: 8 } };
  const jobId = await shop.work.jobs.render("project", "preview", all);
  await shop.until(jobId, "running", (state) => state.clipsDone > 0);
  shop.document = { ...seen, settings: { ...seen.settings, baseSeed: 9 } };
  await shop.until(jobId, "finished");
  expect((await shop.work.outputsOf(shop.projectFolder))[0]?.ingredients.baseSeed).toBe(8);
  expect(await shop.work.estimate("project", "preview", all)).toMatchObject({ clipsToRender: CLIPS });
  shop.document = { ...seen, settings: { ...seen.settings, baseSeed: 8 } };
});

test("pause keeps the finished clips, resume goes on behind them", async () => {
  shop.document = { ...shop.document, settings: { ...shop.document.settings, baseSeed: 10 } };
  const jobId = await shop.work.jobs.render("project", "preview", all);
  await shop.until(jobId, "running", (state) => state.clipsDone >= 2);
  shop.work.jobs.pause(jobId);
  const paused = await shop.until(jobId, "paused");
  expect(paused.clipsDone).toBeLessThan(CLIPS);
  expect((await shop.work.outputsOf(shop.projectFolder))[0]?.clips).toHaveLength(paused.clipsDone);
  shop.work.jobs.resume(jobId);
  const finished = await shop.until(jobId, "finished");
  expect(finished).toMatchObject({ clipsDone: CLIPS, clipsReused: paused.clipsDone });
  expect(decodedFrames(takeFolder)).toHaveLength(FRAMES);
});

test("cancel stops; a second job waits for its turn; the queue can be rearranged", async () => {
  shop.document = { ...shop.document, settings: { ...shop.document.settings, baseSeed: 11 } };
  const first = await shop.work.jobs.render("project", "preview", all);
  const second = await shop.work.jobs.render("project", "final", all);
  const third = await shop.work.jobs.render("project", "final", { kind: "range", start: 0, end: 24 });
  await shop.until(first, "running", (state) => state.clipsDone >= 1);
  const waiting = (): string[] => shop.work.jobs.list().filter((job: Job) => job.state.status === "queued").map((job) => job.id);
  expect(waiting()).toEqual([second, third]);
  shop.work.jobs.move(third, 0);
  expect(waiting()).toEqual([third, second]);
  shop.work.jobs.cancel(second);
  expect(() => shop.work.jobs.move(first, 0)).toThrow(FaultError);
  shop.work.jobs.cancel(first);
  await shop.until(first, "cancelled");
  expect(await shop.until(third, "finished")).toMatchObject({ clipsDone: 1 });
  await shop.work.jobs.retry(first);
  expect(await shop.until(first, "finished")).toMatchObject({ clipsDone: CLIPS });
  await shop.work.jobs.forget(second);
  expect(shop.work.jobs.list().some((job) => job.id === second)).toBe(false);
});

test("what is finished is exported with the sound, frame for frame; what is not is refused by name", async () => {
  const target = join(shop.folder, "out", "video.mp4");
  mkdirSync(join(shop.folder, "out"));
  const jobId = await shop.work.jobs.export("project", "preview", { format: "mp4", range: null }, { kind: "path", path: target });
  expect(await shop.until(jobId, "finished")).toMatchObject({ bytes: statSync(target).size });
  const streams = probeStreams(target);
  expect(streams.find((stream) => stream.codec_type === "video")).toMatchObject({ codec_name: "h264", width: 64, nb_read_frames: String(FRAMES) });
  expect(Math.abs(Number(streams.find((stream) => stream.codec_type === "audio")?.duration) - FRAMES / 25)).toBeLessThan(0.04);
  expect(shop.work.jobs.result(jobId).fileName).toBe("video.mp4");

  const final = shop.work.jobs.export("project", "final", { format: "mp4", range: null }, { kind: "download" });
  await expect(final).rejects.toMatchObject({ fault: { code: "CLIP_MISSING", what: expect.stringContaining("clip 2 (at 0:00:24)"), hint: expect.stringContaining("export the preview") } });
  const download = await shop.work.jobs.export("project", "final", { format: "mp4", range: { start: 0, end: 24 } }, { kind: "download" });
  await shop.until(download, "finished");
  expect(probeStreams(shop.work.jobs.result(download).path).find((stream) => stream.codec_type === "video")?.nb_read_frames).toBe("24");
  shop.document = withPrompts(shop.document, [0, "Something else."]);
  await expect(shop.work.jobs.export("project", "preview", { format: "gif", range: { start: 30, end: 40 }, width: 64 }, { kind: "download" })).rejects.toMatchObject({ fault: { code: "CLIP_STALE", why: expect.stringContaining("the prompt") } });
});

test("another choice of cards gives a new worker, but not while a render runs", async () => {
  const workerId = (): number | undefined => shop.work.engine.hello.get()?.process.id;
  const before = workerId();
  shop.document = { ...shop.document, settings: { ...shop.document.settings, baseSeed: 12 } };
  const jobId = await shop.work.jobs.render("project", "preview", all);
  await shop.until(jobId, "running", (state) => state.clipsDone >= 1);
  shop.choices = { ...shop.choices, gpus: [] };
  shop.work.choicesChanged();
  expect(workerId()).toBe(before);
  expect(await shop.until(jobId, "finished")).toMatchObject({ clipsDone: CLIPS });
  for await (const hello of shop.work.engine.hello.stream()) if (hello !== null && hello.process.id !== before) break;
});

test("a fault of the material fails the job with its words, and the next job works", async () => {
  const whole = shop.document;
  shop.document = { ...whole, settings: { ...whole.settings, modelId: "none" } };
  const jobId = await shop.work.jobs.render("project", "preview", all);
  await expect(shop.until(jobId, "finished")).rejects.toThrow("MODEL_MISSING");
  shop.document = { ...whole, portraits: [] };
  expect(await faultCode(shop.work.jobs.render("project", "preview", all))).toBe("NO_PORTRAIT");
  shop.document = whole;
  await shop.until(await shop.work.jobs.render("project", "preview", { kind: "range", start: 0, end: 24 }), "finished");
});

test("takes that left the timeline are deleted by hand, but not while a job renders one", async () => {
  const whole = shop.document;
  shop.document = { ...whole, settings: { ...whole.settings, baseSeed: 99 } };
  const jobId = await shop.work.jobs.render("project", "preview", all);
  await shop.until(jobId, "running", (state) => state.clipsDone >= 1);
  shop.document = { ...whole, portraits: whole.portraits.map((portrait) => ({ ...portrait, id: "other" })) };
  expect(await shop.work.removeUnusedRenders("project")).toMatchObject({ removedBytes: 0, unusedTakes: 0 });
  expect(await shop.until(jobId, "finished")).toMatchObject({ clipsDone: CLIPS });
  const { bytes, unusedBytes, unusedTakes } = await shop.work.renders("project");
  // In both qualities.
  expect([unusedTakes, unusedBytes]).toEqual([2, bytes]);
  expect(await shop.work.removeUnusedRenders("project")).toEqual({ bytes: 0, unusedBytes: 0, unusedTakes: 0, removedBytes: bytes });
  expect(await shop.work.outputsOf(shop.projectFolder)).toEqual([]);
  expect(shop.published.slice(-2).map((output) => output.clips)).toEqual([[], []]);
  shop.document = whole;
});
