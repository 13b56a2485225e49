import { randomUUID } from "node:crypto";
import { basename, dirname } from "node:path";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { ExportRequest, Job, JobState, JobWork, LoadSample, RenderScope } from "../../contract/jobs.schema.ts";
import type { MachineReport } from "../../contract/machine.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { captionsPathOf } from "../common/captions-path.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { FaultError } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { exportFileName } from "./export-name.ts";
import { openJobQueue } from "./job-queue.ts";
import type { JobRecord } from "./job-record.ts";
import { type RunningJob, startJob, targetPath } from "./job-run.ts";
import { cancelled, hasEnded, type Lane, paused, resumed, retried, type StopReason } from "./job-states.ts";
import { createJobStore } from "./job-store.ts";
import { createLoadHistory } from "./load-history.ts";
import type { ExportTarget, JobPorts } from "./ports.ts";

export interface JobsDependencies {
  /** Folder that holds a folder for each job. */
  readonly folder: string;
  readonly ports: JobPorts;
  /** Measures the machine for as long as somebody listens. */
  readonly watchMachine: (signal: AbortSignal) => AsyncIterable<MachineReport>;
  readonly log: Logger;
}

/** Where a job's result is. */
export interface JobResult {
  readonly path: string;
  readonly fileName: string;
  /** Captions beside it, where they were wanted; there is no file when none lay in the exported part. */
  readonly captionsPath: string | null;
}

export interface Jobs {
  readonly list: () => readonly Job[];
  /** First value at once, then each change. */
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<Job[], void, undefined>;
  readonly render: (projectId: string, quality: Quality, scope: RenderScope) => Promise<string>;
  readonly export: (projectId: string, quality: Quality, request: ExportRequest, target: ExportTarget) => Promise<string>;
  readonly pause: (jobId: string) => void;
  readonly resume: (jobId: string) => void;
  readonly cancel: (jobId: string) => void;
  /** Begin again, with the document as it is now. */
  readonly retry: (jobId: string) => Promise<void>;
  readonly forget: (jobId: string) => Promise<void>;
  readonly move: (jobId: string, position: number) => void;
  /** The document that it works on; null before it first begins. */
  readonly document: (jobId: string) => Promise<ProjectDocument | null>;
  readonly log: (jobId: string) => Promise<string>;
  /** The file a finished export made. Throws JOB_HAS_NO_RESULT. */
  readonly result: (jobId: string) => JobResult;
  readonly loadHistory: () => LoadSample[];
  /** True while a job runs or waits: closing the window should ask. */
  readonly isBusy: () => boolean;
}

/** The queue: it goes on where the last run of the program was, and does one render and one export at a time. */
export async function createJobs({ folder, ports, watchMachine, log }: JobsDependencies): Promise<readonly [Jobs, () => Promise<void>]> {
  const now = (): number => Date.now();
  const store = createJobStore(folder);
  const shown = createLatestValue<Job[]>([]);
  const queue = await openJobQueue({ store, now, onChange: (jobs) => shown.set([...jobs]), onWriteError: (error) => log.error("A job could not be written down.", { error }) });
  const running = new Map<Lane, RunningJob>();
  let closed = false;
  const history = createLoadHistory(watchMachine, () => running.get("render")?.framesPerSecond() ?? null);

  /** Start what can start. */
  function pump(): void {
    for (const lane of ["render", "export"] as const) {
      const next = closed || running.has(lane) ? null : queue.nextOf(lane);
      if (next === null) continue;
      const job = startJob(next, { queue, store, ports, log, now });
      running.set(lane, job);
      void job.done.then(() => {
        running.delete(lane);
        if (running.size === 0) history.stop();
        pump();
      });
    }
    if (running.size > 0) history.start();
  }

  function find(jobId: string): JobRecord {
    const record = queue.find(jobId);
    if (record === null) throw new FaultError({ code: "JOB_UNKNOWN", what: "There is no such job.", why: "It may have been taken off the list in another window.", hint: "Look at the queue." });
    return record;
  }

  function change(jobId: string, transition: (state: JobState) => JobState | null, stop: StopReason | null, warnings?: readonly Said[]): void {
    const { job } = find(jobId);
    const state = transition(job.state);
    if (state === null) throw new FaultError({ code: "JOB_STATE", what: "The job cannot do that now.", why: `It is ${job.state.status}.`, hint: "Look at the queue: the job may have ended meanwhile." });
    if (state !== job.state) queue.change(jobId, { state, ...(warnings !== undefined && { warnings }) });
    if (stop !== null && state.status === "stopping") runningJob(jobId)?.stop(stop);
    pump();
  }

  const runningJob = (jobId: string): RunningJob | undefined => [...running.values()].find((job) => job.jobId === jobId);

  async function enqueue(projectId: string, work: JobWork, target: ExportTarget | null): Promise<string> {
    const project = await ports.openProject(projectId);
    const { clips } = await ports.check(project, work, target?.kind === "path" ? dirname(target.path) : folder);
    const job: Job = { id: randomUUID(), projectId, projectName: project.name, createdAt: now(), revision: project.revision, work, warnings: [], state: { status: "queued", clipsDone: 0, clipsTotal: clips, clipsReused: 0, resumes: false } };
    // An export shows what was on the timeline when it was asked for; a render begins with the newest edits.
    if (work.kind === "export") await store.writeDocument(job.id, project.document);
    await queue.add({ job, target });
    pump();
    return job.id;
  }

  const jobs: Jobs = {
    list: shown.get,
    watch: (signal) => shown.stream(signal),
    render: async (projectId, quality, scope) => enqueue(projectId, { kind: "render", quality, scope }, null),
    export: async (projectId, quality, request, target) => {
      const project = await ports.openProject(projectId);
      const fileName = target.kind === "path" ? basename(target.path) : exportFileName(project.name, quality, request);
      return enqueue(projectId, { kind: "export", quality, request, fileName }, target);
    },
    pause: (jobId) => change(jobId, paused, "paused"),
    resume: (jobId) => change(jobId, resumed, null),
    cancel: (jobId) => change(jobId, (state) => cancelled(state, now()), "cancelled"),
    retry: async (jobId) => {
      const { job } = find(jobId);
      if (job.work.kind === "render" && retried(job.state) !== null) await store.forgetDocument(jobId);
      change(jobId, retried, null, []);
    },
    forget: async (jobId) => {
      if (!hasEnded(find(jobId).job.state)) throw new FaultError({ code: "JOB_STATE", what: "The job is not over.", why: "Only jobs that have ended can be taken off the list.", hint: "Cancel it first." });
      await queue.remove(jobId);
    },
    move: (jobId, position) => {
      find(jobId);
      if (!queue.move(jobId, position)) throw new FaultError({ code: "JOB_STATE", what: "The job cannot be moved.", why: "Only jobs that wait have a place in the queue.", hint: "Look at the queue: it may have begun meanwhile." });
    },
    document: async (jobId) => store.readDocument(find(jobId).job.id),
    log: async (jobId) => store.readLog(find(jobId).job.id),
    result: (jobId) => {
      const record = find(jobId);
      const path = targetPath(record, store);
      const { work } = record.job;
      if (path === null || work.kind !== "export" || record.job.state.status !== "finished") throw new FaultError({ code: "JOB_HAS_NO_RESULT", what: "There is no file to open.", why: "Only a finished export has made one.", hint: "Wait for it to end, or export again." });
      const beside = work.request.format === "mp4" && work.request.captions?.place === "beside";
      return { path, fileName: basename(path), captionsPath: beside ? captionsPathOf(path) : null };
    },
    loadHistory: history.samples,
    isBusy: () => queue.records().some(({ job }) => job.state.status === "running" || job.state.status === "queued" || job.state.status === "stopping"),
  };

  const cleanup = async (): Promise<void> => {
    closed = true;
    history.stop();
    const ending = [...running.values()];
    for (const job of ending) job.stop("closing");
    await Promise.all(ending.map(async (job) => job.done));
    await queue.settled();
    shown.close();
  };
  pump();
  return [jobs, cleanup] as const;
}

