import type { Job, LoadSample } from "../../../../electron/contract/jobs.schema.ts";
import type { MachineReport } from "../../../../electron/contract/machine.schema.ts";

/** Half an hour of samples every two seconds. */
const KEPT_SAMPLES = 900;

/** Values over time, ready for the charts: one list per card, all as long as `times`. */
export interface LoadSeries {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly framesPerSecond: readonly (number | null)[];
  readonly memoryUsedBytes: readonly number[];
  readonly gpus: readonly {
    readonly uuid: string;
    readonly utilisation: readonly (number | null)[];
    readonly memoryUsedBytes: readonly (number | null)[];
    readonly temperature: readonly (number | null)[];
  }[];
}

/** The measurement of now as a sample. */
export function sampleOf(report: MachineReport, jobs: readonly Job[]): LoadSample {
  const rates = jobs.map((job) => (job.state.status === "running" ? job.state.framesPerSecond : null)).filter((rate) => rate !== null);
  return {
    at: report.at,
    framesPerSecond: rates[0] ?? null,
    gpus: report.gpus.map((gpu) => ({
      uuid: gpu.uuid,
      utilisation: gpu.utilisation,
      memoryUsedBytes: gpu.memoryTotalBytes === null || gpu.memoryFreeBytes === null ? null : gpu.memoryTotalBytes - gpu.memoryFreeBytes,
      temperature: gpu.temperature,
    })),
    memoryUsedBytes: report.memory.totalBytes - report.memory.availableBytes,
    diskFreeBytes: report.disk.freeBytes,
  };
}

/** Adds a sample unless it is not newer than the last one, and forgets the oldest. */
export function withSample(history: readonly LoadSample[], sample: LoadSample): readonly LoadSample[] {
  const last = history[history.length - 1];
  return last !== undefined && sample.at <= last.at ? history : [...history, sample].slice(-KEPT_SAMPLES);
}

export function seriesOf(history: readonly LoadSample[]): LoadSeries {
  const uuids = [...new Set(history.flatMap((sample) => sample.gpus.map((gpu) => gpu.uuid)))];
  const cards = uuids.map((uuid) => history.map((sample) => sample.gpus.find((gpu) => gpu.uuid === uuid) ?? null));
  return {
    times: history.map((sample) => sample.at / 1000),
    framesPerSecond: history.map((sample) => sample.framesPerSecond),
    memoryUsedBytes: history.map((sample) => sample.memoryUsedBytes),
    gpus: uuids.map((uuid, index) => {
      const card = cards[index] ?? [];
      return {
        uuid,
        utilisation: card.map((one) => one?.utilisation ?? null),
        memoryUsedBytes: card.map((one) => one?.memoryUsedBytes ?? null),
        temperature: card.map((one) => one?.temperature ?? null),
      };
    }),
  };
}
