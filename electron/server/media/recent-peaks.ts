import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";

/** Peaks found while a file was described, for the moment soon after in which its waveform is wanted. Knows files by identity, not by name: an import moves them. */
export interface RecentPeaks {
  readonly keep: (path: string, levels: readonly Int8Array[]) => Promise<void>;
  readonly find: (path: string) => Promise<readonly Int8Array[] | null>;
}

/** Some ten hours of sound. */
const MOST_BYTES = 40 * 1024 * 1024;

export function createRecentPeaks(): RecentPeaks {
  const kept = new Map<string, readonly Int8Array[]>();
  return {
    keep: async (path, levels) => {
      kept.set(identity(await stat(path, { bigint: true })), levels);
      let bytes = [...kept.values()].flat().reduce((sum, level) => sum + level.length, 0);
      for (const [name, levelsOfOne] of kept) {
        if (bytes <= MOST_BYTES) return;
        kept.delete(name);
        bytes -= levelsOfOne.reduce((sum, level) => sum + level.length, 0);
      }
    },
    find: async (path) => kept.get(identity(await stat(path, { bigint: true }))) ?? null,
  };
}

function identity(facts: BigIntStats): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeNs].map(String).join(" ");
}
