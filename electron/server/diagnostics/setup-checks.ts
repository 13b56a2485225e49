import type { Fault } from "../../contract/fault.schema.ts";
import type { MachineReport, Model, SetupCheck, WorkerState } from "../../contract/machine.schema.ts";

/** The result of asking a part of the program: null while it is being asked. */
export type Asked = { readonly kind: "ok"; readonly text: string } | { readonly kind: "failed"; readonly fault: Fault } | null;

/** Everything that the set-up page tells, gathered at one moment. */
export interface SetupFacts {
  readonly machine: MachineReport | null;
  readonly runtime: Asked;
  readonly ffmpeg: Asked;
  readonly worker: WorkerState;
  readonly models: readonly Model[] | null;
  readonly defaultModelId: string;
}

const ENOUGH_DISK_BYTES = 5 * 1024 ** 3;
const ENOUGH_MEMORY_BYTES = 4 * 1024 ** 3;

/** The lines of the set-up page. Pure. */
export function setupChecksOf(facts: SetupFacts): SetupCheck[] {
  return [
    { id: "cards", area: "machine", state: cards(facts.machine) },
    { id: "memory", area: "machine", state: memory(facts.machine) },
    { id: "disk", area: "machine", state: disk(facts.machine) },
    { id: "runtime", area: "runtime", state: asked(facts.runtime, "repair-runtime") },
    { id: "ffmpeg", area: "runtime", state: asked(facts.ffmpeg, "repair-runtime") },
    { id: "engine", area: "runtime", state: engine(facts.worker) },
    { id: "model", area: "models", state: model(facts.models, facts.defaultModelId) },
  ];
}

type State = SetupCheck["state"];
const CHECKING: State = { kind: "checking" };

function cards(machine: MachineReport | null): State {
  if (machine === null) return CHECKING;
  const { gpuSource, gpus } = machine;
  if (gpuSource.kind === "driver-trouble") return { kind: "failed", fault: gpuSource.fault, fix: "retry" };
  if (gpuSource.kind === "none" || gpus.length === 0) return { kind: "note", text: "No NVIDIA card. The demo model runs on the processor; the published model needs a card." };
  return { kind: "ok", text: gpus.map((gpu) => `${gpu.name}${gpu.memoryTotalBytes === null ? "" : ` (${gigabytes(gpu.memoryTotalBytes)})`}`).join(", ") };
}

function memory(machine: MachineReport | null): State {
  if (machine === null) return CHECKING;
  const { totalBytes, availableBytes } = machine.memory;
  const text = `${gigabytes(availableBytes)} of ${gigabytes(totalBytes)} available.`;
  return availableBytes < ENOUGH_MEMORY_BYTES ? { kind: "note", text: `${text} Close other programs before a render.` } : { kind: "ok", text };
}

function disk(machine: MachineReport | null): State {
  if (machine === null) return CHECKING;
  const { freeBytes } = machine.disk;
  if (freeBytes >= ENOUGH_DISK_BYTES) return { kind: "ok", text: `${gigabytes(freeBytes)} free.` };
  return { kind: "failed", fix: "free-disk", fault: { code: "DISK_NEARLY_FULL", what: "The disk is nearly full.", why: `${gigabytes(freeBytes)} are left where projects and clips are kept.`, hint: "Free some space.", field: null } };
}

function asked(answer: Asked, fix: "repair-runtime"): State {
  if (answer === null) return CHECKING;
  return answer.kind === "ok" ? answer : { kind: "failed", fault: answer.fault, fix };
}

function engine(worker: WorkerState): State {
  switch (worker.status) {
    case "starting":
      return CHECKING;
    case "ready":
      return { kind: "ok", text: `Ready, version ${worker.engineVersion}.` };
    case "busy":
      return { kind: "ok", text: worker.doing };
    case "stopped":
      return { kind: "note", text: "Not started. It starts by itself when it is needed." };
    case "restarting":
    case "failed":
      return { kind: "failed", fault: worker.fault, fix: "restart-worker" };
  }
}

function model(models: readonly Model[] | null, defaultModelId: string): State {
  const chosen = models?.find((one) => one.id === defaultModelId);
  if (models === null || chosen?.state.kind === "working") return CHECKING;
  if (chosen === undefined || chosen.state.kind === "missing") {
    return { kind: "failed", fix: "choose-model", fault: { code: "MODEL_MISSING", what: "The chosen model is not there.", why: "Its folder was moved or taken off the list, or its disk is not connected.", hint: "Choose another model, or add its folder.", field: null } };
  }
  const [first] = chosen.state.kind === "damaged" ? chosen.state.faults : [];
  if (first !== undefined) return { kind: "failed", fix: "choose-model", fault: first };
  return chosen.kind === "demo" ? { kind: "note", text: `${chosen.name}: ${chosen.note}` } : { kind: "ok", text: `${chosen.name} (${gigabytes(chosen.bytes)})` };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 10e9 ? 1 : 0)} GB`;
}
