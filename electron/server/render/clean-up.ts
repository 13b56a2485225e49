import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { qualitySchema, type Quality } from "../../contract/document/project-document.schema.ts";
import { mixFolder, takeFolder } from "./take-folders.ts";
import { recordedTakes, removeTake } from "./take-record.ts";

/**
 * Clips of takes that are no longer on the timeline are kept: undo, or putting a portrait back, finds them finished.
 * They go, oldest first, when they take more than this, or when nobody wanted them for so long. Looked at after a render.
 */
const MOST_UNUSED_BYTES = 4 * 1024 ** 3;
const MOST_UNUSED_MILLISECONDS = 30 * 24 * 60 * 60 * 1000;

export interface UnusedTake {
  readonly quality: Quality;
  readonly takeId: string;
  readonly bytes: number;
  /** When a render last wrote into it, in milliseconds since 1970. */
  readonly usedAt: number;
}

/** Which unused takes to delete. Pure. */
export function takesToRemove(unused: readonly UnusedTake[], now: number): readonly UnusedTake[] {
  let bytes = 0;
  return unused
    .toSorted((a, b) => b.usedAt - a.usedAt)
    .filter((take) => {
      bytes += take.bytes;
      return bytes > MOST_UNUSED_BYTES || now - take.usedAt > MOST_UNUSED_MILLISECONDS;
    });
}

/** Delete what the policy above says, and mixes that no take uses any more. `keep`: ids of takes, names of mixes. */
export async function cleanUp(projectFolder: string, keep: { readonly takeIds: ReadonlySet<string>; readonly mixNames: ReadonlySet<string> }, now: number): Promise<void> {
  const unused: UnusedTake[] = [];
  for (const quality of qualitySchema.options) {
    for (const takeId of await recordedTakes(projectFolder, quality)) {
      if (!keep.takeIds.has(takeId)) unused.push({ quality, takeId, ...(await factsOf(takeFolder(projectFolder, quality, takeId))) });
    }
  }
  for (const { quality, takeId } of takesToRemove(unused, now)) await removeTake(projectFolder, quality, takeId);
  const folder = mixFolder(projectFolder);
  for (const name of await readdir(folder).catch(() => [])) {
    if (/^[0-9a-f]{40}\.wav$/.test(name) && !keep.mixNames.has(name)) await rm(join(folder, name), { force: true });
  }
}

async function factsOf(folder: string): Promise<{ bytes: number; usedAt: number }> {
  let bytes = 0;
  let usedAt = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const facts = await stat(join(folder, name)).catch(() => null);
    bytes += facts?.size ?? 0;
    usedAt = Math.max(usedAt, facts?.mtimeMs ?? 0);
  }
  return { bytes, usedAt };
}
