import type { Job } from "../../contract/jobs.schema.ts";
import type { MachineReport, Model, WorkerState } from "../../contract/machine.schema.ts";
import { type PrivacyChoice, type PrivateValues, withoutPrivate } from "./private-text.ts";
import type { Trouble } from "./troubles.ts";

/** What a report is made of. */
export interface ReportFacts {
  readonly at: Date;
  readonly studioVersion: string;
  readonly mode: string;
  readonly machine: MachineReport | null;
  readonly worker: WorkerState;
  readonly workerLastWords: string;
  readonly ffmpeg: string;
  readonly models: readonly Model[];
  /** Newest first. */
  readonly jobs: readonly Job[];
  readonly troubles: readonly Trouble[];
  /** The end of the studio's own log. */
  readonly log: string;
  readonly private: PrivateValues;
}

const MOST_JOBS = 10;
const MOST_LOG_CHARACTERS = 40_000;

/** A text to send to somebody who helps. */
export function reportText(facts: ReportFacts, choice: PrivacyChoice): string {
  const { machine, worker } = facts;
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["Avatar Studio", [`version ${facts.studioVersion}, ${facts.mode}`, `written ${facts.at.toISOString()}`, `ffmpeg ${facts.ffmpeg}`]],
    ["Machine", machine === null ? ["not measured"] : machineLines(machine)],
    ["Engine", [JSON.stringify(worker)]],
    ["Models", facts.models.map((model) => `${model.kind}, ${String(model.bytes)} bytes, ${JSON.stringify(model.state)}`)],
    ["Troubles", facts.troubles.map(({ fault }) => `${fault.code}: ${fault.what} ${fault.why}`)],
    ["Last jobs", facts.jobs.slice(0, MOST_JOBS).map((job) => `${job.id}: ${JSON.stringify(job.work)} ${JSON.stringify(job.state)}`)],
    ["Engine's log", [facts.workerLastWords.slice(-MOST_LOG_CHARACTERS)]],
    ["Studio's log", [facts.log.slice(-MOST_LOG_CHARACTERS)]],
  ];
  const text = sections.map(([title, lines]) => `== ${title}\n${lines.length === 0 ? "none" : lines.join("\n")}\n`).join("\n");
  const named = facts.jobs.flatMap((job) => [job.projectName, ...(job.work.kind === "export" ? [job.work.fileName] : [])]);
  const names = [...facts.private.names, ...named, ...(machine === null ? [] : [machine.system.hostname])];
  return withoutPrivate(text, { ...facts.private, names }, choice);
}

function machineLines(machine: MachineReport): string[] {
  const { processor, memory, disk, system, torch } = machine;
  return [
    `${system.platform} ${system.release}`,
    `${processor.name}, ${String(processor.cores)} cores, ${String(processor.threads)} threads`,
    `memory ${String(memory.availableBytes)} of ${String(memory.totalBytes)} bytes available`,
    `disk ${String(disk.freeBytes)} of ${String(disk.totalBytes)} bytes free`,
    `cards from ${JSON.stringify(machine.gpuSource)}`,
    ...machine.gpus.map(({ uuid: _uuid, ...gpu }) => JSON.stringify(gpu)),
    `other graphics: ${machine.otherGraphics.join(", ") || "none"}`,
    torch === null ? "torch: not asked yet" : `torch ${torch.version}, CUDA ${torch.cudaVersion ?? "none"}, ${String(torch.devices.length)} devices`,
  ];
}
