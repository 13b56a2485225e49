import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newDocument } from "../../contract/document/new-document.ts";
import type { ProjectDocument } from "../../contract/document/project-document.schema.ts";
import type { EngineEvent, EnginePlan } from "../../contract/engine-messages.schema.ts";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import type { EngineUpdate, RenderPorts } from "./ports.ts";
import { runRender } from "./run-render.ts";
import type { RenderProgress } from "./render-tally.ts";
import { clipFileName } from "./take-folders.ts";
import { readTakeOutputs } from "./take-record.ts";

let folder: string;
let document: ProjectDocument;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-render-"));
  mkdirSync(join(folder, "media"));
  writeFileSync(join(folder, "media", "face.png"), "");
  writeFileSync(join(folder, "media", "voice.wav"), "");
  document = {
    ...newDocument({ id: "d", name: "d", audioTrackId: "t", audioTrackName: "t", baseSeed: 1 }),
    media: [
      { kind: "image", id: "i", path: "media/face.png", name: "Face", bytes: 1, sha256: "a".repeat(64), width: 64, height: 64 },
      { kind: "audio", id: "v", path: "media/voice.wav", name: "Voice", bytes: 1, sha256: "b".repeat(64), samples: 1_000_000, sampleRate: 16_000, channels: 1 },
    ],
    portraits: [{ id: "take", start: 0, duration: 10, mediaId: "i" }],
    prompts: [{ id: "p", start: 0, duration: 10, text: "Hello." }],
    audioTracks: [{ id: "t", name: "t", muted: false, gainDecibels: 0, segments: [{ id: "s", start: 0, duration: 144, mediaId: "v", sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 }] }],
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

const STEPPED_DOWN = { code: "MEMORY_STEPPED_DOWN", values: { layers: 7 }, text: "The card ran out of memory." };
const killed: Fault = { code: "ENGINE_KILLED", what: "It was killed.", why: "Memory.", hint: "Smaller.", field: null };

/** An engine that makes `step` clips a run, as files, and then its worker ends; 0 for one that never makes any. */
function engine(steps: readonly number[]): { ports: RenderPorts; jobs: EngineJob[]; published: TakeOutput[] } {
  const jobs: EngineJob[] = [];
  const published: TakeOutput[] = [];
  let run = 0;
  async function* render(_model: unknown, _job: string, _engineJob: string, job: EngineJob, signal: AbortSignal): AsyncGenerator<EngineUpdate, void, undefined> {
    await Promise.resolve();
    jobs.push(job);
    const takeFolder = job.work_dir ?? "";
    mkdirSync(takeFolder, { recursive: true });
    const list = join(takeFolder, "clips.jsonl");
    const before = run === 0 ? 0 : readFileSync(list, "utf8").split("\n").length - 1;
    if (run === 0) {
      writeFileSync(join(takeFolder, "init.mp4"), "init");
      writeFileSync(list, "");
    }
    const make = steps[run++] ?? 3;
    for (let clip = 0; clip < Math.min(3, before + make); clip += 1) {
      if (signal.aborted) {
        yield { kind: "cancelled", clipsOnDisk: clip };
        return;
      }
      const reused = clip < before;
      if (!reused) {
        yield { kind: "event", event: { kind: "warning", ...STEPPED_DOWN } };
        yield { kind: "event", event: { kind: "block", clip, block: 3, blocks_per_clip: 4, seconds: 1 } };
        writeFileSync(join(takeFolder, clipFileName(clip)), "clip");
        writeFileSync(list, `${JSON.stringify({ index: clip, frames: 48, content_hash: `h${clip}`, sha256: "", bytes: 4 })}\n`, { flag: "a" });
      }
      const event: EngineEvent = { kind: "clip", clip, clips: 3, first_frame: clip * 48, frames: 48, path: "", content_hash: `h${clip}`, reused, seconds: 1, memory_bytes: 100 - clip, frames_per_second: null, device_memory: null };
      yield { kind: "event", event };
    }
    if (before + make < 3) yield { kind: "lost", fault: killed };
    else yield { kind: "finished", result: { type: "finished", request_id: "1", job_id: "j", output: null, frames: 144, clips: 3, seconds: 1, reused_clips: before, generated_frames: 1, state_seconds: 0, warnings: [{ code: "AUDIO_QUIET", text: "Quiet." }, { ...STEPPED_DOWN }] } };
  }
  const ports: RenderPorts = {
    engine: { render, plan: () => Promise.resolve({ size: { width: 64, height: 64 }, memory: { peak: 90 }, forecast: { frames_per_second: 11 } } as EnginePlan), memoryBytes: () => null },
    findModel: (id) => Promise.resolve({ id, choice: { ckpt_dir: "/m", lora: null } }),
    mix: ({ target }) => {
      writeFileSync(target, "wav");
      return Promise.resolve();
    },
    publish: (_, output) => void published.push(output),
    freeBytes: () => Promise.resolve(1e12),
  };
  return { ports, jobs, published };
}

const render = async (ports: RenderPorts, report: (progress: RenderProgress) => void = () => undefined, signal = new AbortController().signal): ReturnType<typeof runRender> =>
  runRender({ jobId: "j", projectId: "p", projectFolder: folder, document, quality: "final", scope: { kind: "all" } }, ports, report, signal);
const fault = async (promise: Promise<unknown>): Promise<Fault> => promise.then(() => { throw new Error("no fault"); }, (error: unknown) => { if (error instanceof FaultError) return error.fault; throw error; });

test("a worker that ends is followed by another, as long as clips come", async () => {
  const { ports, jobs, published } = engine([1, 0, 0, 1, 0, 0, 1]);
  const seen: RenderProgress[] = [];
  expect(await render(ports, (progress) => seen.push(progress))).toEqual({ kind: "finished", bytes: 12 });
  expect(jobs).toHaveLength(7);
  expect(seen.at(-1)).toMatchObject({ clipsDone: 3, clipsTotal: 3, clipsReused: 2 });
  // Told at once, with what is filled in, and once however often the engine repeats it.
  expect(seen.find((progress) => progress.warnings.length > 0)?.clipsDone).toBe(0);
  expect(seen.at(-1)?.warnings).toEqual([STEPPED_DOWN, { code: "AUDIO_QUIET", values: {}, text: "Quiet." }]);
  expect(seen.at(-1)).toMatchObject({ memoryBytes: 98, peakMemoryBytes: 100, expected: { memoryBytes: 90, framesPerSecond: 11 } });
  expect(published.at(-1)?.clips.map((clip) => clip.contentHash)).toEqual(["h0", "h1", "h2"]);
  expect((await readTakeOutputs(folder))[0]?.clips).toHaveLength(3);
});

test("one that ends four times without a new clip fails the job, with the cause and the place; the clips stay", async () => {
  const { ports, jobs } = engine([1, 0, 0, 0, 0, 0, 0]);
  expect(await fault(render(ports))).toMatchObject({ code: "ENGINE_KILLED", what: expect.stringMatching(/ended 4 times at clip 2/) as string, why: expect.stringContaining("Memory.") as string });
  expect(jobs).toHaveLength(4);
  expect((await readTakeOutputs(folder))[0]?.clips).toHaveLength(1);
});

test("a stop ends between clips and is no fault, also while the worker is away", async () => {
  const { ports } = engine([1, 1, 1]);
  const controller = new AbortController();
  const outcome = render(ports, (progress) => { if (progress.clipsDone === 2) controller.abort(); }, controller.signal);
  expect(await outcome).toEqual({ kind: "stopped" });
  expect((await readTakeOutputs(folder))[0]?.clips).toHaveLength(2);
});

test("an unchanged mix is not made again; a changed one is", async () => {
  const first = engine([3]);
  let mixes = 0;
  const ports: RenderPorts = { ...first.ports, mix: async (request, signal) => { mixes += 1; await first.ports.mix(request, signal); } };
  await render(ports);
  await render({ ...ports, engine: engine([3]).ports.engine });
  expect(mixes).toBe(1);
  document = { ...document, audioTracks: document.audioTracks.map((track) => ({ ...track, gainDecibels: -6 })) };
  await render({ ...ports, engine: engine([3]).ports.engine });
  expect(mixes).toBe(2);
});

test("without room for it a render does not begin, and says how much is needed", async () => {
  const { ports, jobs } = engine([3]);
  const refused = await fault(render({ ...ports, freeBytes: () => Promise.resolve(302e6) }));
  expect(refused).toMatchObject({ code: "DISK_TOO_SMALL", why: expect.stringMatching(/^About 3\d\d(\.\d)? MB are needed, with some room to spare, and 302 MB are free\.$/) as string });
  expect(jobs).toEqual([]);
});

test("a file that is gone is named before the engine is asked", async () => {
  const { ports, jobs } = engine([3]);
  rmSync(join(folder, "media", "voice.wav"));
  expect(await fault(render(ports))).toMatchObject({ code: "MEDIA_MISSING", what: 'The file "Voice" is missing.', field: "audio" });
  expect(jobs).toEqual([]);
});
