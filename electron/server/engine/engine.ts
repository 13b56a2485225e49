import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import type { EngineEvent, EngineHeartbeat, EngineHello, EnginePlan } from "../../contract/engine-messages.schema.ts";
import type { EngineJob, ModelChoice } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { RankReport, WorkerState } from "../../contract/machine.schema.ts";
import { createLatestValue, type LatestValue } from "../common/event-hub.ts";
import { FaultError } from "../common/fault-error.ts";
import { activityOf } from "./activity-text.ts";
import { EngineClient, type RenderUpdate } from "./engine-client.ts";
import { rankReport } from "./rank-report.ts";

const LOADING = say("MODEL_LOADING_ANY", "Loading the model");

/** A worker process, as whoever keeps it running hands it over. */
export interface WorkerPort {
  readonly send: (line: string) => void;
  onLine: (line: string) => void;
  onEnd: (fault: Fault) => void;
}

/** Where the engine tells what it learned about its worker. */
export type EngineReport =
  | { readonly kind: "hello"; readonly engineVersion: string; readonly heartbeatSeconds: number }
  | { readonly kind: "heard"; readonly proven: boolean }
  | { readonly kind: "activity"; readonly activity: { readonly kind: "idle"; readonly model: string | null } | { readonly kind: "busy"; readonly doing: Said; readonly jobId: string | null } }
  | { readonly kind: "unusable"; readonly fault: Fault };

export interface EngineDependencies {
  readonly report: (report: EngineReport) => void;
  readonly watchWorker: (signal?: AbortSignal) => AsyncIterable<WorkerState>;
  readonly log: (text: string) => void;
}

/** Weights by the name the studio knows them by, and where they are. */
export interface EngineModel {
  readonly id: string;
  readonly choice: ModelChoice;
}

export interface Engine {
  /** Begin a conversation with a worker that has just been started. */
  readonly attach: (worker: WorkerPort) => void;
  /** What the running worker told about itself and the cards it sees. */
  readonly hello: LatestValue<EngineHello | null>;
  /** Memory of the card that the worker holds, or of the machine without one, in bytes; from its last heartbeat. */
  readonly memoryBytes: () => number | null;
  /** What each of its processes does, itself first, as of its last heartbeat; none without a model. */
  readonly ranks: () => readonly RankReport[];
  /** What it is at and for how long without news, as of its last heartbeat; null when idle. */
  readonly doing: () => EngineHeartbeat["doing"];
  /** The conversation with the worker that runs, when it is ready. Throws its fault when it has failed. */
  readonly client: (signal?: AbortSignal) => Promise<EngineClient>;
  readonly plan: (model: EngineModel, job: EngineJob, signal?: AbortSignal) => Promise<EnginePlan>;
  /**
   * Load the model if need be and render. An abort cancels within one block; the iteration then ends with `cancelled`.
   * Throws the engine's fault, or the worker's when none can be had.
   */
  readonly render: (model: EngineModel, jobId: string, engineJobId: string, job: EngineJob, signal: AbortSignal) => AsyncGenerator<EngineUpdate, void, undefined>;
}

/** `lost`: the worker ended, and the job with it; another worker is being started. Nothing follows. */
export type EngineUpdate = RenderUpdate | { readonly kind: "lost"; readonly fault: Fault };

const DEVICE_LOST = "DEVICE_LOST";

/** A question that a dying worker took with it is asked again so often. */
const QUESTION_ATTEMPTS = 3;

/** The engine as the studio uses it: one model kept warm in one worker, one render at a time, questions at any time. */
export function createEngine(dependencies: EngineDependencies): Engine {
  const hello = createLatestValue<EngineHello | null>(null);
  let current: EngineClient | null = null;
  let heartbeat: EngineHeartbeat | null = null;
  let loadedId: string | null = null;
  /** A load that goes on although nobody waits for it any more. */
  let loading: Promise<unknown> = Promise.resolve();

  function attach(worker: WorkerPort): void {
    const client = new EngineClient({
      send: worker.send,
      log: dependencies.log,
      onEvent: (event) => {
        switch (event.kind) {
          case "hello":
            hello.set(event.hello);
            dependencies.report({ kind: "hello", engineVersion: event.hello.engine_version, heartbeatSeconds: event.hello.heartbeat_seconds });
            return;
          case "heartbeat":
            heartbeat = event.heartbeat;
            dependencies.report({ kind: "heard", proven: true });
            return;
          case "heard":
            dependencies.report({ kind: "heard", proven: event.clip });
            return;
          case "unusable":
            dependencies.report({ kind: "unusable", fault: event.fault });
        }
      },
    });
    current = client;
    loadedId = null;
    loading = Promise.resolve();
    worker.onLine = (line) => client.receive(line);
    worker.onEnd = (fault) => {
      client.close(fault);
      if (current === client) {
        current = null;
        heartbeat = null;
        hello.set(null);
      }
    };
  }

  async function client(signal?: AbortSignal): Promise<EngineClient> {
    for await (const state of dependencies.watchWorker(signal)) {
      if (state.status === "failed") throw new FaultError(state.fault);
      if ((state.status === "ready" || state.status === "busy") && current?.hello) return current;
    }
    signal?.throwIfAborted();
    throw new FaultError({ code: "ENGINE_STOPPED", what: "The engine is stopped.", why: "The studio is being closed.", hint: "Start the studio again." });
  }

  const busy = (doing: Said, jobId: string | null): void => dependencies.report({ kind: "activity", activity: { kind: "busy", doing, jobId } });
  const idle = (): void => dependencies.report({ kind: "activity", activity: { kind: "idle", model: loadedId } });

  /** Resolves false when `signal` aborts first; the load then goes on, so that its work is not lost. */
  async function load(client: EngineClient, model: EngineModel, jobId: string, signal: AbortSignal, warn: (event: EngineEvent) => void): Promise<boolean> {
    const aborted = new Promise<false>((resolve) => signal.addEventListener("abort", () => resolve(false), { once: true }));
    const run = loading
      .catch(() => undefined)
      .then(async () => {
        loadedId = null;
        await client.load(model.choice, (event) => {
          if (event.kind === "warning") warn(event);
          busy(activityOf(event) ?? LOADING, jobId);
        });
        loadedId = model.id;
        return true;
      });
    loading = run;
    void run.then(idle, idle);
    return Promise.race([run, aborted]);
  }

  async function* render(model: EngineModel, jobId: string, engineJobId: string, job: EngineJob, signal: AbortSignal): AsyncGenerator<EngineUpdate, void, undefined> {
    const worker = await client(signal);
    try {
      yield* renderWith(worker, model, jobId, engineJobId, job, signal);
    } catch (error) {
      // A worker that lost its card says so and ends; the next one may use the card again.
      if (error instanceof FaultError && error.fault.code === DEVICE_LOST) await worker.ended;
      if (worker.closed === null) throw error;
      yield { kind: "lost", fault: worker.closed };
    }
  }

  async function* renderWith(worker: EngineClient, model: EngineModel, jobId: string, engineJobId: string, job: EngineJob, signal: AbortSignal): AsyncGenerator<RenderUpdate, void, undefined> {
    yield { kind: "event", event: { kind: "stage", stage: "load", done: 0, total: 1, ...LOADING } };
    const warnings: EngineEvent[] = [];
    if (signal.aborted || !(await load(worker, model, jobId, signal, (event) => warnings.push(event))) || isAborted(signal)) {
      yield { kind: "cancelled", clipsOnDisk: 0 };
      return;
    }
    for (const event of warnings) yield { kind: "event", event };
    const cancel = (): void => void worker.cancel(engineJobId).catch(() => undefined);
    signal.addEventListener("abort", cancel, { once: true });
    busy(say("PREPARING", "Preparing"), jobId);
    try {
      for await (const update of worker.render(engineJobId, job)) {
        const doing = update.kind === "event" ? activityOf(update.event) : null;
        if (doing !== null) busy(doing, jobId);
        yield update;
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      idle();
    }
  }

  async function plan(model: EngineModel, job: EngineJob, signal?: AbortSignal): Promise<EnginePlan> {
    for (let attempt = 1; ; attempt += 1) {
      const worker = await client(signal);
      try {
        return await worker.plan(model.choice, job);
      } catch (error) {
        if (worker.closed === null || attempt === QUESTION_ATTEMPTS) throw error;
      }
    }
  }

  return {
    attach,
    hello,
    memoryBytes: () => heartbeat?.device_memory?.reserved ?? heartbeat?.memory_bytes ?? null,
    ranks: () => heartbeat?.ranks?.map((rank) => rankReport(rank, heartbeat?.state === "rendering")) ?? [],
    doing: () => heartbeat?.doing ?? null,
    client,
    plan,
    render,
  };
}

/** Read anew: the compiler takes what it saw before an `await` to be still true. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
