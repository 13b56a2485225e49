import type { LoadSample } from "../../contract/jobs.schema.ts";
import type { MachineReport } from "../../contract/machine.schema.ts";

/** An hour at one sample every two seconds. */
const MOST_SAMPLES = 1_800;

/** What the machine did while jobs ran, for the queue page's charts. In memory only. */
export interface LoadHistory {
  readonly samples: () => LoadSample[];
  readonly start: () => void;
  readonly stop: () => void;
}

export function createLoadHistory(watchMachine: (signal: AbortSignal) => AsyncIterable<MachineReport>, framesPerSecond: () => number | null): LoadHistory {
  const samples: LoadSample[] = [];
  let watching: AbortController | null = null;

  async function follow(signal: AbortSignal): Promise<void> {
    for await (const report of watchMachine(signal)) {
      samples.push(sampleOf(report, framesPerSecond()));
      if (samples.length > MOST_SAMPLES) samples.shift();
    }
  }

  const stop = (): void => {
    watching?.abort();
    watching = null;
  };
  return {
    samples: () => [...samples],
    start: () => {
      if (watching !== null) return;
      watching = new AbortController();
      // Charts are not worth a job: a machine that cannot be measured has none.
      void follow(watching.signal).catch(stop);
    },
    stop,
  };
}

function sampleOf(report: MachineReport, framesPerSecond: number | null): LoadSample {
  return {
    at: report.at,
    framesPerSecond,
    gpus: report.gpus.map(({ uuid, utilisation, memoryTotalBytes, memoryFreeBytes, temperature }) => ({
      uuid,
      utilisation,
      memoryUsedBytes: memoryTotalBytes === null || memoryFreeBytes === null ? null : memoryTotalBytes - memoryFreeBytes,
      temperature,
    })),
    memoryUsedBytes: report.memory.totalBytes - report.memory.availableBytes,
    diskFreeBytes: report.disk.freeBytes,
  };
}
