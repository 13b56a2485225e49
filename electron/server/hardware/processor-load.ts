import { cpus } from "node:os";
import { readFile } from "node:fs/promises";

export interface ProcessorFacts {
  readonly cores: number;
  readonly threads: number;
  /** Share of all threads that was busy since the last call, 0 to 1; null at the first. */
  readonly load: number | null;
}

/** Each call tells the load since the one before. */
export function createProcessorLoad(): () => Promise<ProcessorFacts> {
  let before: { readonly busy: number; readonly all: number } | null = null;
  let cores: number | null = null;
  return async () => {
    const threads = cpus();
    cores ??= (await physicalCores()) ?? threads.length;
    const now = threads.reduce(
      (sum, { times }) => {
        const busy = times.user + times.nice + times.sys + times.irq;
        return { busy: sum.busy + busy, all: sum.all + busy + times.idle };
      },
      { busy: 0, all: 0 },
    );
    const load = before === null || now.all <= before.all ? null : (now.busy - before.busy) / (now.all - before.all);
    before = now;
    return { cores, threads: threads.length, load };
  };
}

/** Node counts threads only. */
async function physicalCores(): Promise<number | null> {
  if (process.platform !== "linux") return null;
  return countCores(await readFile("/proc/cpuinfo", "utf8").catch(() => ""));
}

/** Different pairs of socket and core in /proc/cpuinfo; null where it does not tell them, as on ARM. */
export function countCores(text: string): number | null {
  const pairs = new Set<string>();
  let socket = "";
  for (const line of text.split("\n")) {
    const [key = "", value = ""] = line.split(":").map((part) => part.trim());
    if (key === "physical id") socket = value;
    else if (key === "core id") pairs.add(`${socket} ${value}`);
  }
  return pairs.size === 0 ? null : pairs.size;
}
