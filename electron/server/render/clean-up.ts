import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { GIGABYTE } from "../../contract/byte-size.ts";
import { qualitySchema, type Quality } from "../../contract/document/project-document.schema.ts";
import { mixFolder, takeFolder } from "./take-folders.ts";
import { removeTake, takesOnDisk } from "./take-record.ts";

/**
 * Clips of takes that are no longer on the timeline are kept: undo, or putting a portrait back, finds them finished.
 * They go, oldest first, when they take more than this, or when nobody wanted them for so long. Looked at after a render.
 */
const MOST_UNUSED_BYTES = 4 * GIGABYTE;
const MOST_UNUSED_MILLISECONDS = 30 * 24 * 60 * 60 * 1000;

/** A take as it lies on the disk. */
export interface TakeOnDisk {
  readonly quality: Quality;
  readonly takeId: string;
  readonly bytes: number;
  /** When a render last wrote into it, in milliseconds since 1970. */
  readonly usedAt: number;
}

/** Which unused takes to delete. Pure. */
export function takesToRemove(unused: readonly TakeOnDisk[], now: number): readonly TakeOnDisk[] {
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
  const unused = (await rendersOnDisk(projectFolder)).filter((take) => !keep.takeIds.has(take.takeId));
  for (const { quality, takeId } of takesToRemove(unused, now)) await removeTake(projectFolder, quality, takeId);
  const folder = mixFolder(projectFolder);
  for (const name of await readdir(folder).catch(() => [])) {
    if (/^[0-9a-f]{40}\.wav$/.test(name) && !keep.mixNames.has(name)) await rm(join(folder, name), { force: true });
  }
}

/** All takes of a project that take room, also those of which a crash left only the folder. */
export async function rendersOnDisk(projectFolder: string): Promise<TakeOnDisk[]> {
  const takes: TakeOnDisk[] = [];
  for (const quality of qualitySchema.options) {
    for (const takeId of await takesOnDisk(projectFolder, quality)) takes.push({ quality, takeId, ...(await factsOf(takeFolder(projectFolder, quality, takeId))) });
  }
  return takes;
}

/** Deletes the takes that nothing in `keep` names, whatever their age. Answers those that are gone; after a crash the rest is found again. */
export async function removeUnusedTakes(projectFolder: string, keep: ReadonlySet<string>): Promise<readonly TakeOnDisk[]> {
  const unused = (await rendersOnDisk(projectFolder)).filter((take) => !keep.has(take.takeId));
  for (const { quality, takeId } of unused) await removeTake(projectFolder, quality, takeId);
  return unused;
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
