import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newDocument } from "../../contract/document/new-document.ts";
import type { Job, JobState } from "../../contract/jobs.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { silentLogger } from "../common/logger.ts";
import { say } from "../common/say.ts";
import { exportFileName } from "./export-name.ts";
import { recovered, reordered } from "./job-states.ts";
import { createJobs, type Jobs } from "./jobs.ts";
import type { RunOutcome, RunProgress, RunRequest } from "./ports.ts";

let folder: string;
let closing: (() => Promise<void>)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-jobs-"));
  closing = [];
});
afterEach(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true });
});

const document = newDocument({ id: "d", name: "Talk", audioTrackId: "t", audioTrackName: "t", baseSeed: 1 });
const progress = (clipsDone: number): RunProgress => ({ clipsDone, clipsTotal: 4, clipsReused: 0, doing: say("CLIP", "Clip {clip}", { clip: clipsDone + 1 }), takeId: "take", clip: clipsDone, clipOnTimeline: clipsDone, clipShare: 0.5, picture: null, framesPerSecond: 10, secondsLeft: 3, memoryBytes: 5, peakMemoryBytes: 7, expected: { memoryBytes: 6, framesPerSecond: 12 }, warnings: [] });

/** A run that the test ends by hand. */
interface Run {
  readonly request: RunRequest;
  readonly report: (progress: RunProgress) => void;
  readonly signal: AbortSignal;
  readonly end: (outcome: RunOutcome) => void;
  readonly fail: (error: Error) => void;
}
interface Bench {
  readonly jobs: Jobs;
  readonly runs: Run[];
  /** Called at the next begin of a run. */
  readonly waiting: (() => void)[];
  readonly close: () => Promise<void>;
  name: string;
  /** Of the project, from now on. */
  revision: number;
}

async function open(): Promise<Bench> {
  const runs: Run[] = [];
  const waiting: Bench["waiting"] = [];
  const bench = { name: "first", revision: 1 };
  const run = async (request: RunRequest, report: Run["report"], signal: AbortSignal): Promise<RunOutcome> =>
    new Promise((resolve, reject) => {
      runs.push({ request, report, signal, end: resolve, fail: reject });
      for (const tell of waiting.splice(0)) tell();
      signal.addEventListener("abort", () => resolve({ kind: "stopped" }));
    });
  const [jobs, close] = await createJobs({
    folder,
    log: silentLogger,
    watchMachine: async function* () {
      // The machine is of no interest here.
    },
    ports: { openProject: () => Promise.resolve({ name: "Talk", folder: "/projects/talk", document: { ...document, name: bench.name }, revision: bench.revision }), run: { render: run, export: run }, check: () => Promise.resolve({ clips: 4 }), silentSeconds: () => 0 },
  });
  closing.push(close);
  return { jobs, runs, waiting, close, get name() { return bench.name; }, set name(name) { bench.name = name; }, set revision(revision: number) { bench.revision = revision; } };
}

async function until<Status extends JobState["status"]>(jobs: Jobs, jobId: string, status: Status, also: (state: JobState) => boolean = () => true): Promise<Extract<JobState, { status: Status }>> {
  for await (const list of jobs.watch()) {
    const state = list.find((job) => job.id === jobId)?.state;
    if (state?.status === status && also(state)) return state as Extract<JobState, { status: Status }>;
  }
  throw new Error("closed");
}
/** The run with this number, when it has begun. */
async function begun(bench: Bench, index: number): Promise<Run> {
  for (;;) {
    const run = bench.runs[index];
    if (run !== undefined) return run;
    await new Promise<void>((resolve) => bench.waiting.push(resolve));
  }
}
const render = async ({ jobs }: Bench): Promise<string> => jobs.render("p", "final", { kind: "all" });
const onDisk = (jobId: string): { job: Job } => JSON.parse(readFileSync(join(folder, jobId, "job.json"), "utf8")) as { job: Job };
const code = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof FaultError ? error.fault.code : String(error);
  }
  return "none";
};

test("a job is queued, runs, tells what it does and finishes; all of it is on disk", async () => {
  const bench = await open();
  const id = await render(bench);
  const run = await begun(bench, 0);
  run.report(progress(1));
  expect(await until(bench.jobs, id, "running", (state) => state.clipsDone === 1)).toMatchObject({ doing: "Clip 2", said: { code: "CLIP", values: { clip: 2 } }, takeId: "take", clip: 1, clipShare: 0.5, picture: null, framesPerSecond: 10, secondsLeft: 3, memoryBytes: 5 });
  expect(bench.jobs.isBusy()).toBe(true);
  const warning = say("AUDIO_QUIET", "The peak is at {peak} dB.", { peak: -40 });
  run.report({ ...progress(4), warnings: [warning] });
  run.end({ kind: "finished", bytes: 9 });
  expect(await until(bench.jobs, id, "finished")).toMatchObject({ clipsDone: 4, bytes: 9, framesPerSecond: 10, peakMemoryBytes: 7, expected: { memoryBytes: 6, framesPerSecond: 12 } });
  await bench.close();
  expect(onDisk(id).job).toMatchObject({ warnings: [warning], state: { status: "finished", clipsDone: 4 } });
  expect(bench.jobs.isBusy()).toBe(false);
});

test("warnings stand on the job while it runs and after it, each once, and in its log; a pause keeps them, a retry does not", async () => {
  const bench = await open();
  const id = await render(bench);
  const warningsNow = (): readonly string[] => bench.jobs.list().find((job) => job.id === id)?.warnings.map((warning) => warning.code) ?? [];
  const [stepped, quiet] = [say("MEMORY_STEPPED_DOWN", "The card ran out of memory."), say("AUDIO_QUIET", "The peak is at {peak} dB.", { peak: -40 })];
  (await begun(bench, 0)).report({ ...progress(1), warnings: [stepped] });
  await until(bench.jobs, id, "running", (state) => state.clipsDone === 1);
  expect(warningsNow()).toEqual(["MEMORY_STEPPED_DOWN"]);
  bench.jobs.pause(id);
  await until(bench.jobs, id, "paused");
  expect(warningsNow()).toEqual(["MEMORY_STEPPED_DOWN"]);
  bench.jobs.resume(id);
  const again = await begun(bench, 1);
  again.report({ ...progress(2), warnings: [quiet, stepped] });
  again.fail(new FaultError({ code: "DEVICE_LOST", what: "Gone.", why: "", hint: "" }));
  await until(bench.jobs, id, "failed");
  expect(warningsNow()).toEqual(["MEMORY_STEPPED_DOWN", "AUDIO_QUIET"]);
  const log = await bench.jobs.log(id);
  expect(log.match(/MEMORY_STEPPED_DOWN/g)).toHaveLength(1);
  expect(log).toContain("AUDIO_QUIET: The peak is at -40 dB.");
  await bench.jobs.retry(id);
  expect(warningsNow()).toEqual([]);
});

test("one render at a time, an export beside it", async () => {
  const bench = await open();
  await render(bench);
  const second = await render(bench);
  const exported = await bench.jobs.export("p", "final", { format: "mp4", range: null }, { kind: "path", path: join(folder, "v.mp4") });
  await until(bench.jobs, exported, "running");
  await begun(bench, 1);
  expect(bench.runs.map((run) => run.request.job.work.kind)).toEqual(["render", "export"]);
  expect(bench.runs[1]?.request.targetPath).toBe(join(folder, "v.mp4"));
  bench.runs[0]?.end({ kind: "finished", bytes: 1 });
  await until(bench.jobs, second, "running");
});

test("pause, resume, cancel, retry: each only where it makes sense", async () => {
  const bench = await open();
  const { jobs } = bench;
  const id = await render(bench);
  (await begun(bench, 0)).report(progress(2));
  await until(jobs, id, "running", (state) => state.clipsDone === 2);
  expect(code(() => jobs.resume(id))).toBe("JOB_STATE");
  jobs.pause(id);
  expect(await until(jobs, id, "paused")).toMatchObject({ clipsDone: 2 });
  jobs.resume(id);
  await begun(bench, 1);
  expect(bench.runs[1]?.request.job.state).toMatchObject({ resumes: true });
  jobs.pause(id);
  jobs.cancel(id);
  await until(jobs, id, "cancelled");
  expect(code(() => jobs.pause(id))).toBe("JOB_STATE");
  await jobs.retry(id);
  await begun(bench, 2);
  await expect(jobs.forget(id)).rejects.toThrow(FaultError);
  jobs.cancel(id);
  await until(jobs, id, "cancelled");
  await jobs.forget(id);
  expect(existsSync(join(folder, id))).toBe(false);
  expect(code(() => jobs.cancel(id))).toBe("JOB_UNKNOWN");
});

test("a job works on the document as it was when it first began; a retry takes the new one", async () => {
  const bench = await open();
  const told = (id: string): number | null | undefined => bench.jobs.list().find((job) => job.id === id)?.revision;
  const ahead = await render(bench);
  const id = await render(bench);
  expect([told(id), await bench.jobs.document(id)]).toEqual([1, null]);
  bench.revision = 2;
  (await begun(bench, 0)).end({ kind: "finished", bytes: 0 });
  await until(bench.jobs, ahead, "finished");
  bench.runs.shift();
  expect((await begun(bench, 0)).request.document.name).toBe("first");
  expect([told(id), (await bench.jobs.document(id))?.name]).toEqual([2, "first"]);
  bench.name = "edited";
  bench.revision = 3;
  bench.jobs.pause(id);
  await until(bench.jobs, id, "paused");
  bench.jobs.resume(id);
  expect((await begun(bench, 1)).request.document.name).toBe("first");
  expect(told(id)).toBe(2);
  bench.jobs.cancel(id);
  await until(bench.jobs, id, "cancelled");
  await bench.jobs.retry(id);
  expect((await begun(bench, 2)).request.document.name).toBe("edited");
  expect(told(id)).toBe(3);
  await bench.close();
  expect(onDisk(id).job.revision).toBe(3);
});

test("a job of an earlier version, which knew no revision, is read", async () => {
  const first = await open();
  const id = await render(first);
  await begun(first, 0);
  await first.close();
  const record = onDisk(id);
  const { revision, ...older } = record.job;
  expect(revision).toBe(1);
  writeFileSync(join(folder, id, "job.json"), JSON.stringify({ ...record, job: older }));
  const second = await open();
  expect(second.jobs.list()).toMatchObject([{ id, revision: null }]);
  await begun(second, 0);
});

test("a fault fails the job with its words and place; a full disk pauses it", async () => {
  const bench = await open();
  const fault = { code: "OUT_OF_MEMORY", what: "No memory.", why: "Full.", hint: "Smaller.", field: null };
  const id = await render(bench);
  const run = await begun(bench, 0);
  run.report(progress(3));
  run.fail(new FaultError(fault));
  expect(await until(bench.jobs, id, "failed")).toMatchObject({ fault, clip: 3, clipsDone: 3 });
  expect(await bench.jobs.log(id)).toContain("OUT_OF_MEMORY: No memory. Full.");
  const full = await render(bench);
  const second = await begun(bench, 1);
  second.report(progress(1));
  second.fail(new FaultError({ ...fault, code: "DISK_FULL" }));
  expect(await until(bench.jobs, full, "paused")).toMatchObject({ clipsDone: 1, fault: { code: "DISK_FULL" } });
  const bug = await render(bench);
  (await begun(bench, 2)).fail(new TypeError("secret /path"));
  const failed = await until(bench.jobs, bug, "failed");
  expect(failed.fault.code).toBe("INTERNAL_ERROR");
  expect(JSON.stringify(failed)).not.toContain("secret");
});

test("a program that closes leaves its jobs to the next one, in order", async () => {
  const bench = await open();
  const first = await render(bench);
  const second = await render(bench);
  const third = await render(bench);
  (await begun(bench, 0)).report(progress(2));
  await until(bench.jobs, first, "running", (state) => state.clipsDone === 2);
  bench.jobs.move(third, 0);
  await bench.close();
  expect(onDisk(first).job.state).toMatchObject({ status: "queued", resumes: true, clipsDone: 2 });
  const next = await open();
  expect(next.jobs.list().map((job) => job.id)).toEqual([first, third, second]);
  expect((await begun(next, 0)).request.job.id).toBe(first);
});

test("a program that was killed goes on with the jobs that ran; damaged records are put aside", async () => {
  const bench = await open();
  const id = await render(bench);
  (await begun(bench, 0)).report(progress(2));
  await until(bench.jobs, id, "running", (state) => state.clipsDone === 2);
  // A copy of the folder as it is now is what a kill would leave.
  await bench.close();
  const record = onDisk(id);
  writeFileSync(join(folder, id, "job.json"), JSON.stringify({ ...record, job: { ...record.job, state: { status: "running", clipsDone: 2, clipsTotal: 4, clipsReused: 0, startedAt: 1, doing: "x", takeId: null, clip: null, clipShare: 0, framesPerSecond: null, secondsLeft: null, memoryBytes: null, silentSeconds: 0 } } }));
  for (const [name, text] of [["half", '{"version":1,'], ["newer", '{"version":2}'], ["empty", ""], ["other", JSON.stringify(record)]] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "job.json"), text);
  }
  writeFileSync(join(folder, "stray"), "");
  const next = await open();
  expect(next.jobs.list().map((job) => job.id)).toEqual([id]);
  expect((await begun(next, 0)).request.job.state).toMatchObject({ status: "queued", resumes: true });
  expect(existsSync(join(folder, "half", "job.json.unreadable"))).toBe(true);
});

test("what a dead server left becomes what it was on its way to", () => {
  const counts = { clipsDone: 1, clipsTotal: 2, clipsReused: 0 };
  expect(recovered({ status: "stopping", ...counts, then: "paused" }, 5)).toEqual({ status: "paused", ...counts });
  expect(recovered({ status: "stopping", ...counts, then: "cancelled" }, 5)).toEqual({ status: "cancelled", ...counts, endedAt: 5 });
  expect(recovered({ status: "paused", ...counts }, 5)).toEqual({ status: "paused", ...counts });
});

test("moving a job gives the places of those that wait in another order", () => {
  const waiting = [{ id: "a", order: 1 }, { id: "b", order: 4 }, { id: "c", order: 7 }];
  const after = (id: string, position: number): string[] => [...(reordered(waiting, id, position) ?? [])].sort(([, x], [, y]) => x - y).map(([name]) => name);
  expect(after("c", 0)).toEqual(["c", "a", "b"]);
  expect(after("a", 1)).toEqual(["b", "a", "c"]);
  expect(after("a", 99)).toEqual(["b", "c", "a"]);
  expect(reordered(waiting, "x", 0)).toBeNull();
});

test("names of exports suit every system and say what is a preview", () => {
  const mp4 = { format: "mp4", range: null } as const;
  expect(exportFileName("My talk", "final", mp4)).toBe("My talk.mp4");
  expect(exportFileName("../a:b\u0000*?", "preview", mp4)).toBe("a b (preview).mp4");
  expect(exportFileName(" .. ", "final", { format: "srt", source: { kind: "markers" }, range: null })).toBe("video.srt");
  expect(exportFileName("演讲", "final", { format: "png", frame: 30 })).toBe("演讲 0-01-05.png");
  expect(Buffer.byteLength(exportFileName("讲".repeat(200), "preview", mp4))).toBeLessThan(255);
  expect(exportFileName("讲".repeat(200), "final", mp4)).not.toContain("\ufffd");
});
