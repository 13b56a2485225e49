import { statfs } from "node:fs/promises";
import { cpus, hostname, release } from "node:os";
import type { Gpu, MachineReport } from "../../contract/machine.schema.ts";
import { createLatestValue } from "../common/event-hub.ts";
import type { Logger } from "../common/logger.ts";
import { availableMemory } from "./memory.ts";
import { askNvidia, type NvidiaAnswer } from "./nvidia-smi.ts";
import { listSystemGraphics, otherGraphics, type SystemGraphics } from "./other-graphics.ts";
import { createProcessorLoad } from "./processor-load.ts";

/** What this machine is and does. */
export interface Hardware {
  /** Measured now, or a moment ago. */
  readonly measure: () => Promise<MachineReport>;
  /** What is known at once, then what is measured every two seconds while anybody listens. */
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<MachineReport, void, undefined>;
}

export interface HardwareDependencies {
  /** The disk it lies on is the one that counts. */
  readonly dataFolder: string;
  /** What torch sees, once a worker has said it. */
  readonly torch: () => MachineReport["torch"];
  /** What the engine's processes do now. */
  readonly ranks: () => MachineReport["ranks"];
  readonly logger: Logger;
  /** For tests. */
  readonly nvidia?: () => Promise<NvidiaAnswer>;
  readonly graphics?: () => Promise<readonly SystemGraphics[]>;
  readonly intervalMilliseconds?: number;
}

const INTERVAL_MILLISECONDS = 2_000;
/** One measurement serves all that ask within this time. */
const FRESH_MILLISECONDS = 500;

/** The returned function ends all streams and timers. */
export function createHardware(dependencies: HardwareDependencies): readonly [Hardware, () => void] {
  const { logger, torch, ranks, dataFolder, nvidia = askNvidia, graphics = listSystemGraphics, intervalMilliseconds = INTERVAL_MILLISECONDS } = dependencies;
  const processorLoad = createProcessorLoad();
  let adapters: readonly SystemGraphics[] = [];
  let cards: NvidiaAnswer = { kind: "none" };
  let lastSeen: readonly Gpu[] = [];
  let asking: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  // Once: adapters do not change while the machine runs.
  const looked = graphics().then((found) => void (adapters = found));
  looked.catch((error: unknown) => logger.warning("The graphics adapters could not be listed", { error }));

  /** Cards are asked one question at a time; the rest of the machine is reported meanwhile, with the cards as they were. */
  const askCards = (): Promise<void> =>
    (asking ??= nvidia()
      .then((answer) => {
        if (answer.kind === "trouble" && (cards.kind !== "trouble" || cards.fault.code !== answer.fault.code)) logger.warning("nvidia-smi", { fault: answer.fault.code });
        cards = answer;
        // Cards that cannot be asked any more are still there, but nothing is known of what they do.
        lastSeen = answer.kind === "cards" ? answer.gpus : answer.kind === "none" ? [] : lastSeen.map(withoutLiveValues);
      })
      .finally(() => (asking = null)));

  const report = async (): Promise<MachineReport> => {
    const disk = await statfs(dataFolder);
    const [processor] = cpus();
    const gpus = [...lastSeen];
    return {
      at: Date.now(),
      gpus,
      ranks: [...ranks()],
      gpuSource: cards.kind === "cards" ? { kind: "nvidia-smi" } : cards.kind === "none" ? { kind: "none" } : { kind: "driver-trouble", fault: cards.fault },
      otherGraphics: otherGraphics(adapters, gpus.map((gpu) => gpu.pciBus)),
      processor: { name: processor?.model.trim() ?? "Unknown", ...(await processorLoad()) },
      memory: await availableMemory(),
      disk: { path: dataFolder, totalBytes: disk.blocks * disk.bsize, freeBytes: disk.bavail * disk.bsize },
      system: { platform: process.platform, release: release(), hostname: hostname() },
      torch: torch(),
    };
  };

  let newest: { readonly report: Promise<MachineReport>; readonly at: number } | null = null;
  const measure = async (): Promise<MachineReport> => {
    if (newest === null || performance.now() - newest.at > FRESH_MILLISECONDS) newest = { report: askCards().then(report), at: performance.now() };
    return newest.report;
  };

  const value = createLatestValue<MachineReport | null>(null, (listeners) => {
    if (listeners === 0) {
      clearTimeout(timer);
      timer = undefined;
    } else if (timer === undefined) {
      tick();
    }
  });
  const tick = (): void => {
    timer = setTimeout(tick, intervalMilliseconds);
    timer.unref();
    void askCards();
    // Cards that do not answer hold up nothing else.
    report().then(
      (machine) => value.set(machine),
      (error: unknown) => logger.warning("The machine could not be measured", { error }),
    );
  };

  return [
    {
      measure,
      watch: async function* (signal) {
        for await (const machine of value.stream(signal)) if (machine !== null) yield machine;
      },
    },
    () => {
      clearTimeout(timer);
      value.close();
    },
  ] as const;
}

function withoutLiveValues(gpu: Gpu): Gpu {
  return { ...gpu, memoryFreeBytes: null, utilisation: null, temperature: null, powerWatts: null };
}
