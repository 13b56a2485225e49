import { bytesText, GIGABYTE } from "../../contract/byte-size.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { Job } from "../../contract/jobs.schema.ts";
import type { MachineReport, Model, WorkerState } from "../../contract/machine.schema.ts";

/** Everything that troubles are told from, gathered at one moment. */
export interface TroubleFacts {
  /** Newest first. */
  readonly jobs: readonly Job[];
  readonly worker: WorkerState;
  /** Seconds since the worker last said anything; 0 when it need not. */
  readonly workerSilentSeconds: number;
  /** The newest lines of the worker's log. */
  readonly workerLastWords: string;
  readonly machine: MachineReport | null;
  readonly models: readonly Model[];
  /** Set when the studio had to take another port than the one asked for. */
  readonly port: { readonly wanted: number; readonly used: number; readonly holder: string | null } | null;
}

export type TroubleAction = "retry-lower" | "test-link" | "restart-worker" | "check-inputs" | "check-models" | "free-disk" | "other-port";

export interface Trouble {
  readonly fault: Fault;
  /** What the button does; null when only the user can act. */
  readonly action: Exclude<TroubleAction, "test-link" | "other-port"> | null;
  readonly jobId: string | null;
}

/** A heartbeat comes every two seconds; a machine under load may miss some. */
const SILENT_SECONDS = 20;
const LITTLE_DISK_BYTES = 2 * GIGABYTE;
const LITTLE_MEMORY_SHARE = 0.05;

/** What is wrong, the most urgent first. Pure: the same facts give the same list. */
export function findTroubles(facts: TroubleFacts): Trouble[] {
  return [...ofWorker(facts), ...ofCards(facts), ...ofJobs(facts), ...ofModels(facts), ...ofMachine(facts), ...ofPort(facts)];
}

function ofWorker({ worker, workerSilentSeconds, workerLastWords, jobs }: TroubleFacts): Trouble[] {
  const jobId = jobs.find((job) => job.state.status === "running")?.id ?? null;
  const silent = workerSilentSeconds >= SILENT_SECONDS;
  if (worker.status === "busy" && silent) {
    return [trouble("ENGINE_HANGS", "The engine has stopped answering.", `It has said nothing for ${String(Math.round(workerSilentSeconds))} seconds. The last thing it did: ${worker.doing.text}.`, "Restart the engine. Finished clips are kept, and the render goes on from there.", "restart-worker", jobId)];
  }
  if (worker.status !== "failed" && worker.status !== "restarting") return [];
  const cause = causeInLog(workerLastWords);
  return [{ fault: cause ?? worker.fault, action: "restart-worker", jobId }];
}

/** What a worker that died said last, where it names the cause better than its end does. */
function causeInLog(log: string): Fault | null {
  if (/NCCL (WARN|error)|ncclSystemError|ncclUnhandledCudaError|ncclInternalError|peer access|P2P/i.test(log)) {
    return { code: "CARDS_LINK_FAILED", what: "The graphics cards could not work together.", why: "The library that connects them (NCCL) reported an error: often the direct link between two cards does not work.", hint: "Choose a single card in the settings, then restart the engine.", field: null };
  }
  if (/CUDA error: (an illegal memory access|unspecified launch failure|device-side assert)|Xid/i.test(log)) {
    return { code: "CARD_FAILED", what: "The graphics card reported an error.", why: "A computation on it failed. Overclocking, heat or a driver that is too old are common causes.", hint: "Restart the engine. If it happens again, set the card to its normal clock and update the driver.", field: null };
  }
  if (/no kernel image is available|not compatible with the current PyTorch installation/i.test(log)) {
    return { code: "CARD_TOO_OLD", what: "This graphics card is not supported by the engine.", why: "The engine's libraries have no code for its generation.", hint: "Choose another card in the settings.", field: null };
  }
  return null;
}

function ofCards({ machine }: TroubleFacts): Trouble[] {
  if (machine === null) return [];
  if (machine.gpuSource.kind === "driver-trouble") return [{ fault: machine.gpuSource.fault, action: null, jobId: null }];
  // Cards that the driver shows and torch does not: the wrong build of torch, or a driver that is too old for it.
  if (machine.gpuSource.kind !== "nvidia-smi" || machine.torch === null || machine.torch.devices.length > 0) return [];
  const why = machine.torch.cudaVersion === null ? "The engine was set up for the processor only." : `Its libraries need a driver for CUDA ${machine.torch.cudaVersion}; the one here is ${machine.gpus[0]?.driver ?? "unknown"}.`;
  const hint = machine.torch.cudaVersion === null ? "Repair the runtime on the set-up page: it then fits the card." : "Update the NVIDIA driver, then restart the computer.";
  return [trouble("CARDS_NOT_USABLE", "The engine cannot use the graphics card of this machine.", why, hint, null)];
}

/** Where a failed job's fault leads. Codes not listed here need no button: their hint says it all. */
const ACTIONS: Readonly<Record<string, Trouble["action"]>> = {
  OUT_OF_MEMORY: "retry-lower",
  SIZE_TOO_LARGE_FOR_MEMORY: "retry-lower",
  MEMORY_TOO_SMALL: "check-models",
  DISK_FULL: "free-disk",
  DISK_TOO_SMALL: "free-disk",
  ENGINE_SILENT: "restart-worker",
  ENGINE_ENDED: "restart-worker",
  INTERNAL_ERROR: "restart-worker",
};

function ofJobs({ jobs }: TroubleFacts): Trouble[] {
  const [newest] = jobs.filter((job) => job.work.kind === "render" && (job.state.status === "failed" || job.state.status === "finished"));
  if (newest === undefined) return [];
  if (newest.state.status === "failed") {
    const { fault } = newest.state;
    return [{ fault, action: ACTIONS[fault.code] ?? actionOfGroup(fault.code), jobId: newest.id }];
  }
  // A render that was warned about its material and disappoints: the material comes first.
  const aboutMaterial = newest.warnings.filter((warning) => actionOfGroup(warning.code) === "check-inputs");
  if (aboutMaterial.length === 0) return [];
  return [trouble("QUALITY_AT_RISK", "The last render was made with warnings about its material.", aboutMaterial.map((warning) => warning.text).join(" "), "If the picture is blurred, stiff or out of step with the voice, mend these first, then render again.", "check-inputs", newest.id)];
}

function actionOfGroup(code: string): Trouble["action"] {
  if (/^(IMAGE|FACE|AUDIO|PROMPT|MEDIA)_/.test(code)) return "check-inputs";
  if (/^(CHECKPOINT|LORA|VAE|MODEL)_/.test(code)) return "check-models";
  return null;
}

function ofModels({ models }: TroubleFacts): Trouble[] {
  return models.flatMap(({ name, state }) => {
    const [first] = state.kind === "damaged" ? state.faults : [];
    return first === undefined ? [] : [trouble("MODEL_DAMAGED", `The model "${name}" is damaged.`, `${first.what} ${first.why}`, first.hint, "check-models")];
  });
}

function ofMachine({ machine }: TroubleFacts): Trouble[] {
  if (machine === null) return [];
  const found: Trouble[] = [];
  if (machine.disk.freeBytes < LITTLE_DISK_BYTES) found.push(trouble("DISK_NEARLY_FULL", "The disk is nearly full.", `${bytesText(machine.disk.freeBytes)} are left where projects and clips are kept.`, "Free some space, or remove projects that are not needed any more.", "free-disk"));
  if (machine.memory.availableBytes < machine.memory.totalBytes * LITTLE_MEMORY_SHARE) found.push(trouble("MEMORY_NEARLY_FULL", "The computer's memory is nearly full.", `${bytesText(machine.memory.availableBytes)} of ${bytesText(machine.memory.totalBytes)} are available.`, "Close other programs.", null));
  return found;
}

function ofPort({ port }: TroubleFacts): Trouble[] {
  if (port === null || port.wanted === port.used) return [];
  const who = port.holder ?? "Another program";
  return [trouble("PORT_IN_USE", `The studio is on port ${String(port.used)} instead of ${String(port.wanted)}.`, `${who} uses port ${String(port.wanted)}.`, `Use the address with ${String(port.used)}, or end the other program and start the studio again.`, null)];
}

function trouble(code: string, what: string, why: string, hint: string, action: Trouble["action"], jobId: string | null = null): Trouble {
  return { fault: { code, what, why, hint, field: null }, action, jobId };
}
