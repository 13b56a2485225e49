import { readFile } from "node:fs/promises";
import { freemem, totalmem } from "node:os";

/** Memory of the machine, and how much programs can still get: files that the system only keeps at hand do not count as used. */
export async function availableMemory(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }> {
  const totalBytes = totalmem();
  if (process.platform !== "linux") return { totalBytes, availableBytes: freemem() };
  const available = parseAvailable(await readFile("/proc/meminfo", "utf8").catch(() => ""));
  return { totalBytes, availableBytes: available ?? freemem() };
}

/** `MemAvailable` of /proc/meminfo in bytes. */
export function parseAvailable(text: string): number | null {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(text);
  return match === null ? null : Number(match[1]) * 1024;
}
