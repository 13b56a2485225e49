import { randomBytes } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemErrorCode } from "./fault-error.ts";

/** Temporary names are `.<name>.<pid>-<random>.partial`, so that a later run can tell what a dead one left. */
const TEMPORARY = /^\..+\.(\d+)-[0-9a-f]{12}\.partial$/;
const LEFT_OVER_MILLISECONDS = 24 * 60 * 60 * 1000;
/** Virus scanners and indexers of Windows hold fresh files for a moment. */
const RENAME_WAITS_MILLISECONDS = [10, 20, 50, 100, 200, 400, 800, 1600] as const;

/** A name beside `path` for a file that is not finished. */
export function temporaryNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${String(process.pid)}-${randomBytes(6).toString("hex")}.partial`);
}

/**
 * Writes a file so that readers, and a crash at any moment, see the old content or the new one, never a part.
 * Resolves when the content is on the device. Throws the system's error; the old file is then untouched.
 */
export async function writeFileAtomically(path: string, content: string | Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
  await replaceAtomically(path, async (file) => file.writeFile(content), options);
}

/** Like {@link writeFileAtomically}, for a value as indented JSON. */
export async function writeJsonAtomically(path: string, value: unknown, options: { readonly mode?: number } = {}): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(value, null, 2)}\n`, options);
}

/** Like {@link writeFileAtomically}, for content that `write` puts into the open temporary file. */
export async function replaceAtomically(path: string, write: (file: FileHandle) => Promise<void>, options: { readonly mode?: number } = {}): Promise<void> {
  const temporary = temporaryNameFor(path);
  try {
    const file = await open(temporary, "wx", options.mode ?? 0o666);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await moveIntoPlace(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Renames a finished, flushed file or folder over its final name, and makes the name durable. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rename(from, to);
      break;
    } catch (error) {
      const wait = RENAME_WAITS_MILLISECONDS[attempt];
      if (process.platform !== "win32" || wait === undefined || !["EPERM", "EACCES", "EBUSY"].includes(systemErrorCode(error) ?? "")) throw error;
      await delay(wait);
    }
  }
  await syncFolder(dirname(to));
}

/** Makes names in a folder durable. Windows and some network disks know no such call; there it does nothing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EISDIR", "EACCES", "EPERM", "EROFS"].includes(systemErrorCode(error) ?? "")) throw error;
  }
}

/** Removes temporary files that processes which are gone left in a folder. Never throws: it is only housekeeping. */
export async function removeStaleTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(folder, name);
    const facts = await stat(path).catch(() => null);
    if (facts === null) continue;
    const old = Date.now() - facts.mtimeMs > LEFT_OVER_MILLISECONDS;
    if (old || (Number(pid) !== process.pid && !processExists(Number(pid)))) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === "EPERM";
  }
}
