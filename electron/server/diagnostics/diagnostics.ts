import { homedir, userInfo } from "node:os";
import { bytesText } from "../../contract/byte-size.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { Finding } from "../../contract/fault.schema.ts";
import type { Job, RenderScope } from "../../contract/jobs.schema.ts";
import type { MachineReport, Model, SetupCheck, WorkerState } from "../../contract/machine.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { FaultError, faultOf } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { say } from "../common/say.ts";
import { lowerProjectSettings } from "./lower-settings.ts";
import type { PrivacyChoice, PrivateValues } from "./private-text.ts";
import { reportText } from "./report.ts";
import { type Asked, setupChecksOf } from "./setup-checks.ts";
import { findTroubles, type Trouble, type TroubleFacts } from "./troubles.ts";

/** Names what is wrong and does what helps. */
export interface Diagnostics {
  readonly troubles: () => Promise<Trouble[]>;
  /** Runs the action of a trouble; answers what was done. Throws ACTION_UNKNOWN, LADDER_ENDED, or the action's own fault. */
  readonly help: (action: string, jobId: string | null) => Promise<string>;
  readonly report: (choice: PrivacyChoice) => Promise<string>;
  /** The lines of the set-up page, first as far as they are known, then as they change. */
  readonly setupChecks: (signal?: AbortSignal) => AsyncGenerator<SetupCheck[], void, undefined>;
  /** Runs the button of a set-up line. Throws FIX_UNKNOWN. */
  readonly fix: (checkId: string) => Promise<void>;
}

/** The rest of the studio, as far as diagnostics look at it. */
export interface DiagnosticsPorts {
  readonly studio: { readonly version: string; readonly mode: string };
  readonly machine: { readonly measure: () => Promise<MachineReport>; readonly watch: (signal: AbortSignal) => AsyncIterable<MachineReport> };
  readonly worker: { readonly state: () => WorkerState; readonly watch: (signal: AbortSignal) => AsyncIterable<WorkerState>; readonly silentSeconds: () => number; readonly lastWords: () => string; readonly restart: () => void };
  readonly models: { readonly list: () => Promise<readonly Model[]>; readonly watch: (signal: AbortSignal) => AsyncIterable<readonly Model[]>; readonly verify: (modelId: string) => Promise<void>; readonly defaultId: () => string };
  /** Newest first. */
  readonly jobs: { readonly list: () => readonly Job[]; readonly render: (projectId: string, quality: Quality, scope: RenderScope) => Promise<string> };
  readonly projects: {
    readonly state: (projectId: string) => Promise<{ readonly document: ProjectDocument; readonly revision: number }>;
    readonly save: (projectId: string, baseRevision: number, windowId: string, document: ProjectDocument) => Promise<unknown>;
    /** Folders, names and prompts of the projects that are open or known. */
    readonly privateValues: () => Promise<PrivateValues>;
  };
  /** Findings about all files of a project and its prompts. */
  readonly checkProject: (projectId: string, quality: Quality) => Promise<readonly Finding[]>;
  readonly verifyRuntime: () => Promise<Said>;
  /** Tells whenever another runtime is used. */
  readonly runtimeChanges: (signal: AbortSignal) => AsyncIterable<unknown>;
  /**
   * Puts the runtime in order and tells each step. Throws REPAIR_NOT_HERE, REPAIR_BUSY at once, REPAIR_FAILED in the end.
   */
  readonly repairRuntime: (onStep: (step: string) => void, signal: AbortSignal) => Promise<void>;
  /** Its version; throws the fault. */
  readonly ffmpeg: () => Promise<string>;
  /** Throws away what can be made anew; answers the bytes that are free now. */
  readonly clearCaches: () => Promise<number>;
  readonly port: () => TroubleFacts["port"];
  /** The end of the studio's own log. */
  readonly logTail: () => Promise<string>;
  readonly logger: Logger;
}

/** Saves made here carry this name, so that every window shows them. */
const WINDOW_ID = "diagnostics";

/** The returned function ends the streams. */
export function createDiagnostics(ports: DiagnosticsPorts): readonly [Diagnostics, () => void] {
  const gather = async (): Promise<TroubleFacts> => ({
    jobs: ports.jobs.list(),
    worker: ports.worker.state(),
    workerSilentSeconds: ports.worker.silentSeconds(),
    workerLastWords: ports.worker.lastWords(),
    machine: await ports.machine.measure().catch(() => null),
    models: await ports.models.list().catch(() => []),
    port: ports.port(),
  });
  const troubles = async (): Promise<Trouble[]> => findTroubles(await gather());
  const setup = createSetupStream(ports);

  const help = async (action: string, jobId: string | null): Promise<string> => {
    const job = ports.jobs.list().find((one) => one.id === jobId) ?? null;
    switch (action) {
      case "restart-worker":
        ports.worker.restart();
        return "The engine is being restarted. A render goes on from its last finished clip.";
      case "retry-lower":
        return retryLower(ports, job);
      case "check-inputs":
        return checkInputs(ports, job);
      case "check-models": {
        const modelId = job === null ? ports.models.defaultId() : (await ports.projects.state(job.projectId)).document.settings.modelId;
        await ports.models.verify(modelId);
        return "All files of the model are being read. The set-up page shows how far it is and what was found.";
      }
      case "free-disk": {
        const bytes = await ports.clearCaches();
        return `${bytesText(bytes)} of decoded sound were thrown away; it is made anew when it is needed. Remove projects or exports that you do not need for more room.`;
      }
      default:
        throw new FaultError({ code: "ACTION_UNKNOWN", what: "This cannot be done here.", why: "The studio has no such action.", hint: "Reload the page." });
    }
  };

  const report = async (choice: PrivacyChoice): Promise<string> => {
    const facts = await gather();
    const [ffmpeg, log, privateValues] = await Promise.all([ports.ffmpeg().catch((error: unknown) => faultOf(error).code), ports.logTail().catch(() => ""), ports.projects.privateValues()]);
    return reportText({ ...facts, at: new Date(), studioVersion: ports.studio.version, mode: ports.studio.mode, ffmpeg, log, troubles: findTroubles(facts), private: { ...privateValues, folders: [homedir(), ...privateValues.folders], names: [userInfo().username, ...privateValues.names] } }, choice);
  };

  return [{ troubles, help, report, setupChecks: setup.stream, fix: setup.fix }, setup.close] as const;
}

async function retryLower(ports: DiagnosticsPorts, job: Job | null): Promise<string> {
  if (job?.work.kind !== "render") throw new FaultError({ code: "ACTION_UNKNOWN", what: "There is nothing to try again.", why: "The render is not in the list any more.", hint: "Start a render." });
  const { quality, scope } = job.work;
  const { document, revision } = await ports.projects.state(job.projectId);
  const settings = lowerProjectSettings(document.settings, quality);
  if (settings === null) throw new FaultError({ code: "LADDER_ENDED", what: "The picture cannot be made any smaller.", why: "It is at the smallest size already.", hint: "Close other programs, choose another card, or use a smaller model." });
  await ports.projects.save(job.projectId, revision, WINDOW_ID, { ...document, settings });
  await ports.jobs.render(job.projectId, quality, scope);
  const { width, height, sampleSteps } = settings[quality];
  return `It is rendered again at ${String(width)} x ${String(height)} with ${String(sampleSteps)} steps. The project's settings show it.`;
}

async function checkInputs(ports: DiagnosticsPorts, job: Job | null): Promise<string> {
  if (job === null) throw new FaultError({ code: "ACTION_UNKNOWN", what: "There is nothing to check.", why: "The job is not in the list any more.", hint: "Open the project: its files are checked there." });
  const findings = (await ports.checkProject(job.projectId, job.work.quality)).filter((finding) => finding.severity !== "ok");
  if (findings.length === 0) return "Portrait, recordings and prompts are as they should be.";
  return findings.map(({ text, measured, wanted }) => [text, measured === null ? "" : `Measured: ${measured}.`, wanted === null ? "" : `Wanted: ${wanted}.`].filter((part) => part !== "").join(" ")).join("\n");
}

interface SetupStream {
  readonly stream: Diagnostics["setupChecks"];
  readonly fix: Diagnostics["fix"];
  readonly close: () => void;
}

/** Looks only while the set-up page is open. */
function createSetupStream(ports: DiagnosticsPorts): SetupStream {
  let machine: MachineReport | null = null;
  let models: readonly Model[] | null = null;
  let runtime: Asked = null;
  let ffmpeg: Asked = null;
  let repairing: Said | null = null;
  const closing = new AbortController();
  let watching: AbortController | null = null;
  let shown = "";

  const lines = (): SetupCheck[] => setupChecksOf({ machine, runtime, ffmpeg, repairing, worker: ports.worker.state(), models, defaultModelId: ports.models.defaultId() });
  const value = createLatestValue<SetupCheck[]>([], (listeners) => {
    if (listeners === 0) {
      watching?.abort();
      watching = null;
    } else if (watching === null) {
      watching = new AbortController();
      begin(watching.signal);
    }
  });
  const show = (): void => {
    const now = lines();
    const text = JSON.stringify(now);
    // The machine is measured again and again; most of the time nothing changes that is told here.
    if (text === shown) return;
    shown = text;
    value.set(now);
  };
  const follow = async <T>(events: AsyncIterable<T>, take: (event: T) => void): Promise<void> => {
    try {
      for await (const event of events) {
        take(event);
        show();
      }
    } catch (error) {
      ports.logger.warning("A part of the set-up page stopped", { error });
    }
  };
  const ask = (): void => {
    [runtime, ffmpeg] = [null, null];
    void asked(ports.verifyRuntime).then((answer) => {
      runtime = answer;
      show();
    });
    void asked(async () => say("CHECK_FFMPEG", "ffmpeg {version}.", { version: await ports.ffmpeg() })).then((answer) => {
      ffmpeg = answer;
      show();
    });
    show();
  };
  const begin = (signal: AbortSignal): void => {
    void follow(ports.machine.watch(signal), (event) => (machine = event));
    void follow(ports.models.watch(signal), (event) => (models = event));
    void follow(ports.worker.watch(signal), () => undefined);
    void follow(ports.runtimeChanges(signal), ask);
    ask();
  };

  /** Answers once the repair is done; the lines tell how far it is, also to windows that did not ask for it. */
  const repair = async (): Promise<void> => {
    const tell = (step: Said | null): void => {
      repairing = step;
      show();
    };
    try {
      await ports.repairRuntime((step) => tell(say("REPAIRING", "Repairing the program: {step}", { step })), closing.signal);
      ports.worker.restart();
    } finally {
      tell(null);
    }
    ask();
  };

  return {
    stream: async function* (signal) {
      for await (const checks of value.stream(signal)) if (checks.length > 0) yield checks;
    },
    fix: async (checkId) => {
      const check = lines().find((one) => one.id === checkId);
      const fix = check?.state.kind === "failed" ? check.state.fix : null;
      switch (fix) {
        case "restart-worker":
          ports.worker.restart();
          return;
        case "free-disk":
          await ports.clearCaches();
          return;
        case "retry":
          ask();
          return;
        case "repair-runtime":
        case "install-runtime":
          return repair();
        case "choose-model":
        case null:
          throw new FaultError({ code: "FIX_UNKNOWN", what: "This cannot be mended by a button here.", why: "It needs your choice.", hint: fix === "choose-model" ? "Choose a model below." : "Follow the hint of the line." });
      }
    },
    close: () => {
      closing.abort();
      watching?.abort();
      value.close();
    },
  };
}

async function asked(question: () => Promise<Said>): Promise<Asked> {
  try {
    return { kind: "ok", said: await question() };
  } catch (error) {
    return { kind: "failed", fault: faultOf(error) };
  }
}
