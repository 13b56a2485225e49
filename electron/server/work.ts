import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ProjectDocument, Quality } from "../contract/document/project-document.schema.ts";
import { compileTakes, type Take } from "../contract/document/takes.ts";
import type { ModelChoice } from "../contract/engine-requests.schema.ts";
import type { RenderScope } from "../contract/jobs.schema.ts";
import type { Estimate, MachineReport, WorkerState } from "../contract/machine.schema.ts";
import type { ModelAbility } from "../contract/models.schema.ts";
import type { TakeOutput } from "../contract/outputs.schema.ts";
import type { DataFolder } from "./common/data-folder.ts";
import { createLogFile, type Logger } from "./common/logger.ts";
import { createEngine, type Engine } from "./engine/engine.ts";
import type { ExportTools } from "./media/exporter.ts";
import { createJobs, type Jobs } from "./jobs/jobs.ts";
import { hasEnded } from "./jobs/job-states.ts";
import type { JobProject, Runner } from "./jobs/ports.ts";
import { exportWith, mixWith } from "./render-media.ts";
import { type ClipFinder, createClipFinder } from "./render/clip-finder.ts";
import { estimatePresets, estimateRender, estimateSizes } from "./render/estimate.ts";
import { nothingToDo } from "./render/render-faults.ts";
import { cleanUp, removeUnusedTakes, rendersOnDisk } from "./render/clean-up.ts";
import { exportBytes, type FreeBytes, freeBytesOf, renderBytes, requireRoomToExport, requireRoomToRender } from "./render/disk-room.ts";
import { mixName } from "./render/mix-name.ts";
import { planExport } from "./render/export-plan.ts";
import { runExport } from "./render/run-export.ts";
import { planRender } from "./render/render-plan.ts";
import { runRender } from "./render/run-render.ts";
import { readTakeOutputs } from "./render/take-record.ts";
import type { RuntimePlaces } from "./runtime/find-runtime.ts";
import { silentSeconds } from "./runtime/supervision.ts";
import { workerStateOf } from "./runtime/worker-state.ts";
import { createWorkerSupervisor } from "./runtime/worker-supervisor.ts";

/** What the part of the studio that makes videos needs of the rest. */
export interface WorkDependencies {
  readonly data: DataFolder;
  /** Where the Python runtime is looked for. */
  readonly runtimePlaces: RuntimePlaces;
  /** The user's choices; read at every start of the worker, and for every model that is loaded. */
  readonly choices: () => { readonly gpus: readonly string[] | null; readonly shareCards: boolean; readonly networkAllowed: boolean; readonly precision: NonNullable<ModelChoice["precision"]> };
  /** Folder and LoRA of a model. Throws MODEL_… when it cannot be used. */
  readonly findModel: (modelId: string) => Promise<{ readonly folder: string; readonly lora: string | null }>;
  readonly openProject: (projectId: string) => Promise<JobProject>;
  readonly publishOutput: (projectId: string, output: TakeOutput) => void;
  readonly media: ExportTools;
  /** A portrait to plan presets with while a project has none. */
  readonly examplePortrait: string;
  readonly watchMachine: (signal: AbortSignal) => AsyncIterable<MachineReport>;
  /** Of the disk a folder is on; the system's own answer when absent. */
  readonly freeBytes?: FreeBytes;
  readonly logger: (area: string) => Logger;
}

export interface Work {
  readonly engine: Engine;
  readonly jobs: Jobs;
  readonly watchWorker: (signal?: AbortSignal) => AsyncGenerator<WorkerState, void, undefined>;
  readonly workerState: () => WorkerState;
  /** Seconds since the worker last said anything; 0 when it need not. */
  readonly workerSilentSeconds: () => number;
  readonly restartWorker: () => void;
  /** The user chose other cards, or allowed the network: a new worker takes over once no render runs. */
  readonly choicesChanged: () => void;
  /** Another runtime is there: the same. */
  readonly runtimeChanged: () => void;
  /** The newest lines of the worker's log, for diagnostics. */
  readonly workerLastWords: () => string;
  /** The clips on disk of a project. */
  readonly outputsOf: (projectFolder: string) => Promise<TakeOutput[]>;
  readonly clips: ClipFinder;
  /** What a project's clips take on the disk. */
  readonly renders: (projectId: string) => Promise<Renders>;
  /** Deletes the takes that neither the timeline nor an unfinished job needs. */
  readonly removeUnusedRenders: (projectId: string) => Promise<Renders & { readonly removedBytes: number }>;
  /** What a render would take. Never throws but for a project that cannot be opened. */
  readonly estimate: (projectId: string, quality: Quality, scope: RenderScope) => Promise<Estimate>;
  /** What each preset would take for a project's length, or for a minute. */
  /** What a minute of video would take with a model, for a few sizes. */
  readonly abilities: (modelId: string) => Promise<ModelAbility[]>;
  readonly presets: (projectId: string | null) => Promise<{ readonly preset: string; readonly estimate: Estimate }[]>;
}

export interface Renders {
  readonly bytes: number;
  readonly unusedBytes: number;
  readonly unusedTakes: number;
}

/** Jobs are given so long to stop before the worker is ended under them. */
const JOBS_STOP_MILLISECONDS = 8_000;

function takesOf(document: ProjectDocument): readonly Take[] {
  const compilation = compileTakes(document);
  return compilation.renderable ? compilation.takes : [];
}

/** Worker, engine, queue and renders, joined. */
export async function createWork(dependencies: WorkDependencies): Promise<readonly [Work, () => Promise<void>]> {
  const { data, choices, freeBytes = freeBytesOf } = dependencies;
  const workerLog = createLogFile(join(data.logs, "engine.log"));
  const [supervisor, stopWorker] = createWorkerSupervisor({
    places: dependencies.runtimePlaces,
    choices: () => {
      const { gpus, networkAllowed } = choices();
      return { gpus, networkAllowed, cacheFolder: join(data.cache, "engine") };
    },
    recordPath: join(data.path, "engine-worker.json"),
    log: dependencies.logger("runtime"),
    workerLog,
    onStarted: (worker) => engine.attach(worker),
  });
  const engineLogger = dependencies.logger("engine");
  const engine = createEngine({ report: supervisor.report, watchWorker: supervisor.watch, log: (text) => engineLogger.warning(text) });

  const renderPorts = {
    engine,
    mix: mixWith(dependencies.media),
    freeBytes,
    publish: dependencies.publishOutput,
    findModel: async (modelId: string) => {
      const { folder, lora } = await dependencies.findModel(modelId);
      const { shareCards, precision } = choices();
      // The worker sees the cards that were chosen.
      const cards = engine.hello.get()?.torch.devices.length ?? 0;
      return { id: modelId, choice: { ckpt_dir: folder, lora, precision, ...(shareCards && cards > 1 ? { compute: { most_ranks: cards } } : {}) } };
    },
  };
  const estimating = { engine, findModel: renderPorts.findModel, scratchFolder: data.cache };
  const runRenderJob: Runner = async ({ job, projectFolder, document }, report, signal) => {
    if (job.work.kind !== "render") throw new Error("An export is no render");
    const outcome = await runRender({ jobId: job.id, projectId: job.projectId, projectFolder, document, quality: job.work.quality, scope: job.work.scope }, renderPorts, report, signal);
    if (outcome.kind === "finished") await tidy(job.projectId, document);
    return outcome;
  };
  /** Clips and mixes that neither the render just done nor the timeline as it is now can use. */
  const tidy = async (projectId: string, rendered: ProjectDocument): Promise<void> => {
    try {
      const project = await dependencies.openProject(projectId);
      const takes = [rendered, project.document].flatMap(takesOf);
      await cleanUp(project.folder, { takeIds: new Set(takes.map((take) => take.id)), mixNames: new Set(takes.map(mixName)) }, Date.now());
    } catch (error) {
      dependencies.logger("render").warning("Old clips could not be tidied up.", { error });
    }
  };

  const runExportJob: Runner = async ({ job, projectFolder, document, targetPath }, report, signal) => {
    if (job.work.kind !== "export" || targetPath === null) throw new Error("A render is no export");
    // It may have waited for long.
    const plan = planExport(document, projectFolder, job.work.quality, job.work.request, await readTakeOutputs(projectFolder));
    await requireRoomToExport(freeBytes, dirname(targetPath), await exportBytes(job.work.request, plan));
    return runExport({ projectFolder, document, quality: job.work.quality, request: job.work.request, target: targetPath }, exportWith(dependencies.media), report, signal);
  };

  const [jobs, stopJobs] = await createJobs({
    folder: data.jobs,
    watchMachine: dependencies.watchMachine,
    log: dependencies.logger("jobs"),
    ports: {
      openProject: dependencies.openProject,
      run: { render: runRenderJob, export: runExportJob },
      silentSeconds: () => silentSeconds(supervisor.state()),
      check: async (project, work, targetFolder) => {
        const outputs = await readTakeOutputs(project.folder);
        if (work.kind === "render") {
          const plan = planRender(project.document, work.quality, work.scope, outputs);
          if (plan.takes.length === 0) throw nothingToDo(work.scope);
          await requireRoomToRender(freeBytes, project.folder, work.quality, renderBytes(plan, project.document, work.quality, outputs));
          return { clips: plan.clips };
        }
        const plan = planExport(project.document, project.folder, work.quality, work.request, outputs);
        await requireRoomToExport(freeBytes, targetFolder, await exportBytes(work.request, plan));
        return { clips: 0 };
      },
    },
  });
  /** Ids of the takes that the timeline has now, or that a job renders, exports or waits for. */
  const takesInUse = async (projectId: string, now: ProjectDocument): Promise<ReadonlySet<string>> => {
    const unfinished = jobs.list().filter((job) => job.projectId === projectId && !hasEnded(job.state));
    const documents = await Promise.all(unfinished.map((job) => jobs.document(job.id)));
    return new Set([now, ...documents].flatMap((document) => (document === null ? [] : takesOf(document))).map((take) => take.id));
  };
  const rendersOf = async (projectId: string): Promise<Renders> => {
    const { folder, document } = await dependencies.openProject(projectId);
    const inUse = await takesInUse(projectId, document);
    const takes = await rendersOnDisk(folder);
    const unused = takes.filter((take) => !inUse.has(take.takeId));
    const sum = (some: typeof takes): number => some.reduce((bytes, take) => bytes + take.bytes, 0);
    return { bytes: sum(takes), unusedBytes: sum(unused), unusedTakes: unused.length };
  };
  const removeUnusedRenders: Work["removeUnusedRenders"] = async (projectId) => {
    const { folder, document } = await dependencies.openProject(projectId);
    const before = await readTakeOutputs(folder);
    const removed = await removeUnusedTakes(folder, await takesInUse(projectId, document));
    const gone = new Set(removed.map((take) => `${take.quality} ${take.takeId}`));
    for (const output of before) if (gone.has(`${output.quality} ${output.takeId}`)) dependencies.publishOutput(projectId, { ...output, clips: [] });
    return { ...(await rendersOf(projectId)), removedBytes: removed.reduce((bytes, take) => bytes + take.bytes, 0) };
  };

  const restartIfOutdated = (): void => {
    const rendering = jobs.list().some(({ work, state }) => work.kind === "render" && (state.status === "running" || state.status === "stopping"));
    if (!rendering && supervisor.isOutdated()) supervisor.restart();
  };
  void (async () => {
    for await (const _ of jobs.watch()) restartIfOutdated();
  })();
  supervisor.start();

  const cleanup = async (): Promise<void> => {
    const jobsStopped = stopJobs();
    await Promise.race([jobsStopped, delay(JOBS_STOP_MILLISECONDS, undefined, { ref: false })]);
    await stopWorker();
    await jobsStopped;
    await workerLog.close();
  };
  return [
    {
      engine,
      jobs,
      watchWorker: supervisor.watch,
      workerState: () => workerStateOf(supervisor.state()),
      workerSilentSeconds: () => silentSeconds(supervisor.state()),
      restartWorker: supervisor.restart,
      choicesChanged: restartIfOutdated,
      runtimeChanged: () => {
        supervisor.outdate();
        restartIfOutdated();
      },
      workerLastWords: supervisor.lastWords,
      outputsOf: readTakeOutputs,
      clips: createClipFinder(),
      renders: rendersOf,
      removeUnusedRenders,
      estimate: async (projectId, quality, scope) => {
        const { document, folder } = await dependencies.openProject(projectId);
        return estimateRender(document, folder, quality, scope, await readTakeOutputs(folder), estimating);
      },
      abilities: (modelId) => estimateSizes(modelId, dependencies.examplePortrait, estimating),
      presets: async (projectId) => {
        const project = projectId === null ? null : await dependencies.openProject(projectId);
        return estimatePresets(project, dependencies.examplePortrait, estimating);
      },
    },
    cleanup,
  ] as const;
}
