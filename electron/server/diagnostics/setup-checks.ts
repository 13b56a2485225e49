import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import { tellsSilence } from "../common/silence.ts";
import { bytesText, GIGABYTE } from "../../contract/byte-size.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { MachineReport, Model, SetupCheck, WorkerState } from "../../contract/machine.schema.ts";

/** The result of asking a part of the program: null while it is being asked. */
export type Asked = { readonly kind: "ok"; readonly said: Said } | { readonly kind: "failed"; readonly fault: Fault } | null;

/** Everything that the set-up page tells, gathered at one moment. */
export interface SetupFacts {
  readonly machine: MachineReport | null;
  readonly runtime: Asked;
  readonly ffmpeg: Asked;
  /** What a repair of the runtime does now; null while there is none. */
  readonly repairing: Said | null;
  readonly worker: WorkerState;
  readonly models: readonly Model[] | null;
  readonly defaultModelId: string;
}

const ENOUGH_DISK_BYTES = 5 * GIGABYTE;
const ENOUGH_MEMORY_BYTES = 4 * GIGABYTE;

/** The lines of the set-up page. Pure. */
export function setupChecksOf(facts: SetupFacts): SetupCheck[] {
  return [
    { id: "cards", area: "machine", state: cards(facts.machine) },
    { id: "memory", area: "machine", state: memory(facts.machine) },
    { id: "disk", area: "machine", state: disk(facts.machine) },
    { id: "runtime", area: "runtime", state: asked(facts.runtime, facts.repairing) },
    { id: "ffmpeg", area: "runtime", state: asked(facts.ffmpeg, facts.repairing) },
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
  if (gpuSource.kind === "none" || gpus.length === 0) return { kind: "note", said: say("CHECK_NO_CARD", "No NVIDIA card. The demo model runs on the processor; the published model needs a card.") };
  return { kind: "ok", said: plain(gpus.map((gpu) => `${gpu.name}${gpu.memoryTotalBytes === null ? "" : ` (${bytesText(gpu.memoryTotalBytes)})`}`).join(", ")) };
}

function memory(machine: MachineReport | null): State {
  if (machine === null) return CHECKING;
  const { totalBytes, availableBytes } = machine.memory;
  const values = { available: bytesText(availableBytes), total: bytesText(totalBytes) };
  if (availableBytes < ENOUGH_MEMORY_BYTES) return { kind: "note", said: say("CHECK_MEMORY_LOW", "{available} of {total} memory available. Close other programs before a render.", values) };
  return { kind: "ok", said: say("CHECK_MEMORY", "{available} of {total} memory available.", values) };
}

function disk(machine: MachineReport | null): State {
  if (machine === null) return CHECKING;
  const { freeBytes } = machine.disk;
  if (freeBytes >= ENOUGH_DISK_BYTES) return { kind: "ok", said: say("CHECK_DISK", "{free} of disk free.", { free: bytesText(freeBytes) }) };
  return { kind: "failed", fix: "free-disk", fault: { code: "DISK_NEARLY_FULL", what: "The disk is nearly full.", why: `${bytesText(freeBytes)} are left where projects and clips are kept.`, hint: "Free some space.", field: null } };
}

function asked(answer: Asked, repairing: Said | null): State {
  if (repairing !== null) return { kind: "checking", said: repairing };
  if (answer === null) return CHECKING;
  if (answer.kind === "ok") return answer;
  return { kind: "failed", fault: answer.fault, fix: answer.fault.code === "RUNTIME_MISSING" ? "install-runtime" : "repair-runtime" };
}

function engine(worker: WorkerState): State {
  switch (worker.status) {
    case "starting":
      return CHECKING;
    case "ready":
      return { kind: "ok", said: say("CHECK_ENGINE_READY", "The engine is ready, version {version}.", { version: worker.engineVersion }) };
    case "busy":
      return tellsSilence(worker.doing) ? { kind: "note", said: worker.doing } : { kind: "ok", said: say("CHECK_ENGINE_BUSY", "The engine is at work.") };
    case "stopped":
      return { kind: "note", said: say("CHECK_ENGINE_STOPPED", "The engine is not started. It starts by itself when it is needed.") };
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
  if (chosen.state.kind === "unfinished") {
    return { kind: "failed", fix: "choose-model", fault: chosen.state.fault ?? { code: "MODEL_UNFINISHED", what: `The model "${chosen.name}" is not complete yet.`, why: "Its download or import has not finished.", hint: "Go on with it below, or choose another model.", field: null } };
  }
  const [first] = chosen.state.kind === "damaged" ? chosen.state.faults : [];
  if (first !== undefined) return { kind: "failed", fix: "choose-model", fault: first };
  return chosen.kind === "demo" ? { kind: "note", said: say("CHECK_DEMO_MODEL", "{name}: {note}", { name: chosen.name, note: chosen.note }) } : { kind: "ok", said: say("CHECK_MODEL", "{name} ({size})", { name: chosen.name, size: bytesText(chosen.bytes) }) };
}

/** Names and figures only: the same in every language. */
function plain(text: string): Said {
  return say("PLAIN", "{text}", { text });
}
