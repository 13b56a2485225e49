import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Fault } from "../../contract/fault.schema.ts";
import type { WorkerState } from "../../contract/machine.schema.ts";
import { type RunningProgram, startProgram } from "../common/child-process.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { faultOf, FaultError } from "../common/fault-error.ts";
import type { Logger, LogFile } from "../common/logger.ts";
import { findRuntime, type RuntimePlaces } from "./find-runtime.ts";
import { endOrphan, forgetProcess, recordProcess } from "./process-record.ts";
import { type Activity, step, STOPPED, type Supervision, type SupervisionEvent } from "./supervision.ts";
import { faultOfEnd } from "./worker-end.ts";
import { type WorkerChoices, workerEnvironment } from "./worker-environment.ts";
import { workerStateOf } from "./worker-state.ts";

const TICK_MILLISECONDS = 1_000;
const LAST_WORDS_CHARACTERS = 8_192;
/** A render stops within one block, which with large models on slow machines takes a while. */
const PATIENCE = { politeMilliseconds: 5_000, firmMilliseconds: 5_000 };
const NEVER_STARTED: Fault = { code: "ENGINE_STOPPED", what: "The engine is stopped.", why: "It was stopped before it had started.", hint: "Restart it on the set-up page.", field: null };

/** One worker process, from its start to its end. */
export interface WorkerProcess {
  readonly send: (line: string) => void;
  /** Lines of its standard output; called for the worker's whole life, also with nobody else listening. */
  onLine: (line: string) => void;
  /** Called once, when it is gone. */
  onEnd: (fault: Fault) => void;
}

export interface SupervisorDependencies {
  readonly places: RuntimePlaces;
  /** Read anew at every start. */
  readonly choices: () => WorkerChoices;
  /** File that names the running worker for the next run of the program. */
  readonly recordPath: string;
  readonly log: Logger;
  /** What the worker writes to its standard error. */
  readonly workerLog: LogFile;
  /** Told about each worker as soon as it runs; sets its listeners. */
  readonly onStarted: (worker: WorkerProcess) => void;
}

export interface WorkerSupervisor {
  readonly state: () => Supervision;
  /** As users see it; first value at once. */
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<WorkerState, void, undefined>;
  readonly start: () => void;
  readonly restart: () => void;
  /** Whether the worker was started with other choices than those of now. */
  readonly isOutdated: () => boolean;
  /** Another runtime is there: the worker is outdated whatever its choices. */
  readonly outdate: () => void;
  /** What the worker's client learned. */
  readonly report: (event: { readonly kind: "hello"; readonly engineVersion: string; readonly heartbeatSeconds: number } | { readonly kind: "heard"; readonly proven: boolean } | { readonly kind: "activity"; readonly activity: Activity } | { readonly kind: "unusable"; readonly fault: Fault }) => void;
  /** The newest lines of the worker's log. */
  readonly lastWords: () => string;
}

/** Keeps one engine worker running. The returned cleanup ends it and resolves when it is gone. */
export function createWorkerSupervisor(dependencies: SupervisorDependencies): readonly [WorkerSupervisor, () => Promise<void>] {
  const state = createLatestValue<Supervision>(STOPPED);
  let running: RunningProgram | null = null;
  /** A spawn, or the end of one, that is under way. */
  let turning: Promise<void> = Promise.resolve();
  let lastWords = "";
  let startedWith: string | null = null;
  let closed = false;

  function handle(event: SupervisionEvent): void {
    const before = state.get();
    const { state: after, effect } = step(before, event);
    if (after !== before) state.set(after);
    if (after.status !== before.status) logChange(after);
    switch (effect) {
      case "none":
        return;
      case "spawn":
        turning = turning.then(spawn);
        return;
      case "shutdown":
        turning = turning.then(shutDown);
        return;
      case "kill":
        // A silent worker is not asked twice; its clips are on disk.
        running?.signal("SIGKILL");
    }
  }

  async function shutDown(): Promise<void> {
    if (running !== null) await running.stop(PATIENCE);
    // It had not even been started.
    else if (state.get().status === "stopping") handle({ kind: "exited", fault: NEVER_STARTED, fatal: false });
  }

  async function spawn(): Promise<void> {
    if (closed || state.get().status !== "starting") return;
    try {
      // One that said it cannot be used may still be ending.
      await running?.stop(PATIENCE);
      const runtime = await findRuntime(dependencies.places);
      if (await endOrphan(dependencies.recordPath)) dependencies.log.warning("A worker of an earlier run was still there and has been ended.");
      const choices = dependencies.choices();
      startedWith = JSON.stringify(choices);
      await mkdir(choices.cacheFolder, { recursive: true });
      const program = await startProgram({ command: runtime.python, args: ["-I", "-X", "utf8", "-m", "live_avatar.worker"], cwd: choices.cacheFolder, env: workerEnvironment(process.env, choices) });
      running = program;
      follow(program);
      const identity = await program.identity;
      if (identity !== null) await recordProcess(dependencies.recordPath, identity);
    } catch (error) {
      dependencies.log.error("The engine worker could not be started.", { error });
      // A missing runtime does not appear by waiting; the set-up page starts the worker again.
      handle({ kind: "exited", fault: faultOf(error), fatal: error instanceof FaultError });
    }
  }

  function follow(program: RunningProgram): void {
    const worker: WorkerProcess = { send: (line) => void program.stdin.write(`${line}\n`), onLine: () => undefined, onEnd: () => undefined };
    dependencies.onStarted(worker);
    createInterface({ input: program.stdout }).on("line", (line) => worker.onLine(line));
    createInterface({ input: program.stderr }).on("line", (line) => {
      dependencies.workerLog.write(line);
      lastWords = `${lastWords}${line}\n`.slice(-LAST_WORDS_CHARACTERS);
    });
    void program.ended.then(async (end) => {
      const fault = faultOfEnd(end, lastWords);
      await forgetProcess(dependencies.recordPath).catch(() => undefined);
      if (running === program) running = null;
      const now = state.get();
      // The reason we ended it for says more than the signal it died from.
      worker.onEnd("ending" in now && now.ending !== null ? now.ending : fault);
      handle({ kind: "exited", fault, fatal: false });
    });
  }

  function logChange(now: Supervision): void {
    if (now.status === "restarting" || now.status === "failed") dependencies.log.warning(`Engine worker: ${now.status}. ${now.fault.code}: ${now.fault.what} ${now.fault.why}`);
    else if (now.status !== "busy" && now.status !== "ready") dependencies.log.info(`Engine worker: ${now.status}.`);
  }

  async function* watch(signal?: AbortSignal): AsyncGenerator<WorkerState, void, undefined> {
    for await (const supervision of state.stream(signal)) yield workerStateOf(supervision);
  }

  const timer = setInterval(() => handle({ kind: "tick" }), TICK_MILLISECONDS);
  timer.unref();

  const supervisor: WorkerSupervisor = {
    state: state.get,
    watch,
    start: () => handle({ kind: "start" }),
    restart: () => handle({ kind: "stop", startAgain: true }),
    isOutdated: () => startedWith !== null && startedWith !== JSON.stringify(dependencies.choices()),
    outdate: () => (startedWith = ""),
    report: handle,
    lastWords: () => lastWords,
  };
  const cleanup = async (): Promise<void> => {
    closed = true;
    clearInterval(timer);
    handle({ kind: "stop", startAgain: false });
    await turning;
    // A worker that was just being started when we were asked to end.
    await running?.stop(PATIENCE);
    await forgetProcess(dependencies.recordPath).catch(() => undefined);
    state.close();
  };
  return [supervisor, cleanup] as const;
}
