import { basename, join } from "node:path";
import type { JobState } from "../../contract/jobs.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { faultOf, isAbortError } from "../common/fault-error.ts";
import { createLogFile, createLogger, type Logger, secret } from "../common/logger.ts";
import { withWarning } from "../common/warnings.ts";
import type { JobQueue } from "./job-queue.ts";
import type { JobRecord } from "./job-record.ts";
import type { JobStore } from "./job-store.ts";
import { begun, countsOf, failedWith, laneOf, type StopReason, stopped } from "./job-states.ts";
import type { JobPorts, RunOutcome, RunProgress, RunRequest } from "./ports.ts";

const TICK_MILLISECONDS = 1_000;
/** A running job is shown anew at most so often: small pictures make many blocks a second. */
const SHOW_MILLISECONDS = 100;
/** Without any progress for so long, the page says so. */
const STALL_TICKS = 60;

export interface RunDependencies {
  readonly queue: JobQueue;
  readonly store: JobStore;
  readonly ports: JobPorts;
  readonly log: Logger;
  readonly now: () => number;
}

export interface RunningJob {
  readonly jobId: string;
  readonly stop: (reason: StopReason) => void;
  readonly framesPerSecond: () => number | null;
  /** When the job is in its next state. Never rejects. */
  readonly done: Promise<void>;
}

/** Run one queued job to its end, a stop or a fault. */
export function startJob(record: JobRecord, { queue, store, ports, log, now }: RunDependencies): RunningJob {
  const { id: jobId } = record.job;
  const controller = new AbortController();
  let reason: StopReason = "closing";
  let progress: RunProgress | null = null;
  let ticksSinceProgress = 0;
  let shownClips = -1;
  let warnings: readonly Said[] = record.job.warnings;
  let shownWarnings = warnings;
  let shownDoing = "";
  let pendingShow: NodeJS.Timeout | null = null;
  const activeBefore = record.activeSeconds;
  const startedAt = performance.now();
  const activeSeconds = (): number => activeBefore + (performance.now() - startedAt) / 1000;
  const file = createLogFile(store.logPath(jobId), { maximumBytes: 1024 * 1024, keep: 1 });
  const jobLog = createLogger(file, laneOf(record.job));

  const stateNow = (): JobState => queue.find(jobId)?.job.state ?? record.job.state;

  function show(): void {
    if (pendingShow !== null) clearTimeout(pendingShow);
    pendingShow = null;
    const state = stateNow();
    if (progress === null || (state.status !== "running" && state.status !== "stopping")) return;
    const counts = countsOf(progress);
    const { doing, takeId, clip, clipShare, picture, framesPerSecond, secondsLeft, memoryBytes } = progress;
    const stalled = ticksSinceProgress >= STALL_TICKS ? ` (nothing new for ${ticksSinceProgress} s)` : "";
    // Finished clips are on disk whatever happens here; the record only needs to know about them now and then.
    const durable = progress.clipsDone === shownClips && warnings === shownWarnings ? "later" : "now";
    shownClips = progress.clipsDone;
    shownWarnings = warnings;
    const next: JobState = state.status === "stopping" ? { ...state, ...counts } : { ...state, ...counts, doing: `${doing.text}${stalled}`, said: doing, takeId, clip, clipShare, picture, framesPerSecond, secondsLeft, memoryBytes, silentSeconds: ports.silentSeconds() };
    queue.change(jobId, { state: next, activeSeconds: activeSeconds(), warnings }, durable);
  }

  /** Each goes into the log once, also when the job goes on after a pause. */
  function warn(told: readonly Said[]): void {
    for (const warning of told) {
      const before = warnings;
      warnings = withWarning(before, warning);
      // The words may hold paths.
      if (warnings !== before) jobLog.warning(`${warning.code}: ${secret(warning.text)}`);
    }
  }

  function report(next: RunProgress): void {
    progress = next;
    ticksSinceProgress = 0;
    warn(next.warnings);
    if (next.doing.text !== shownDoing) {
      shownDoing = next.doing.text;
      jobLog.info(shownDoing);
    }
    if (controller.signal.aborted) return;
    pendingShow ??= setTimeout(show, SHOW_MILLISECONDS);
  }

  async function run(): Promise<JobState> {
    const request = await prepare();
    const runner = ports.run[laneOf(record.job)];
    const outcome: RunOutcome = controller.signal.aborted ? { kind: "stopped" } : await runner(request, report, controller.signal);
    const counts = progress ?? countsOf(stateNow());
    if (outcome.kind === "stopped") return stopped({ ...stateNow(), ...countsOf(counts) }, reason, now());
    return { status: "finished", ...countsOf(counts), endedAt: now(), seconds: activeSeconds(), framesPerSecond: progress?.framesPerSecond ?? null, bytes: outcome.bytes, peakMemoryBytes: progress?.peakMemoryBytes ?? null, expected: progress?.expected ?? null };
  }

  /** The document is fixed when the job first begins; a resumed job goes on with the same one. */
  async function prepare(): Promise<RunRequest> {
    const project = await ports.openProject(record.job.projectId);
    let document = await store.readDocument(jobId);
    if (document === null) {
      document = project.document;
      await store.writeDocument(jobId, document);
      queue.change(jobId, { state: stateNow(), revision: project.revision });
    }
    return { job: record.job, projectFolder: project.folder, document, targetPath: targetPath(record, store) };
  }

  async function finish(): Promise<void> {
    let state: JobState;
    try {
      state = await run();
    } catch (error) {
      const at = progress === null ? stateNow() : { ...stateNow(), ...countsOf(progress) };
      if (controller.signal.aborted && isAbortError(error)) state = stopped(at, reason, now());
      else {
        const fault = faultOf(error);
        log.warning(`Job ${jobId} failed: ${fault.code}`, { error });
        // The words may hold paths.
        jobLog.error(`${fault.code}: ${secret(`${fault.what} ${fault.why}`)}`);
        state = failedWith(at, fault, progress?.clipOnTimeline ?? null, now());
      }
    }
    if (pendingShow !== null) clearTimeout(pendingShow);
    clearInterval(timer);
    jobLog.info(`${state.status}, ${state.clipsDone} of ${state.clipsTotal} clips, ${activeSeconds().toFixed(1)} s`);
    // Whoever sees the new state finds the whole log.
    await file.close();
    queue.change(jobId, { state, activeSeconds: activeSeconds(), warnings });
    await queue.settled();
  }

  const timer = setInterval(() => {
    ticksSinceProgress += 1;
    show();
  }, TICK_MILLISECONDS);
  const first = begun(record.job.state, now());
  if (first !== null) queue.change(jobId, { state: first });
  const done = finish();

  return {
    jobId,
    stop: (why) => {
      // A cancel wins over a pause that is under way, and a closing program over neither.
      reason = controller.signal.aborted && why === "closing" ? reason : why;
      controller.abort();
    },
    framesPerSecond: () => progress?.framesPerSecond ?? null,
    done,
  };
}

/** Where the export's file goes; null for a render. */
export function targetPath({ job, target }: JobRecord, store: JobStore): string | null {
  if (target === null || job.work.kind !== "export") return null;
  return target.kind === "path" ? target.path : join(store.resultFolder(job.id), basename(job.work.fileName));
}
