import { access, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { moveIntoPlace, temporaryNameFor } from "../common/atomic-file.ts";
import type { SharedWork } from "./shared-work.ts";

/**
 * The path `target`, made by `make` if it is not there yet. `make` writes the file it is given, which then takes its place whole.
 * The name of a cached file tells its content, so what exists is right.
 */
export async function makeCached(work: SharedWork, target: string, signal: AbortSignal | undefined, make: (temporary: string, signal: AbortSignal) => Promise<void>): Promise<string> {
  if (await exists(target)) return target;
  return work.share(target, signal, async (going) => {
    if (await exists(target)) return target;
    await writeWhole(target, (temporary) => make(temporary, going));
    return target;
  });
}

/** Has `make` write a temporary file beside `target`, which replaces `target` only when it is whole and on the device. */
export async function writeWhole(target: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const temporary = temporaryNameFor(target);
  try {
    await make(temporary);
    const file = await open(temporary, "r+");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await moveIntoPlace(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
