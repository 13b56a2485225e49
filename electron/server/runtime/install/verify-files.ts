import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FaultError, systemErrorCode } from "../../common/fault-error.ts";
import { MANIFEST_NAME, type RuntimeManifest, runtimeManifestSchema } from "../archive/format.schema.ts";

const NAMED = 3;

/**
 * Compare every file of an installed runtime with its manifest.
 * @throws FaultError RUNTIME_FILES_DAMAGED with the first names, or the signal's reason
 */
export async function verifyFiles(folder: string, onBytes: (done: number, total: number) => void, signal: AbortSignal): Promise<void> {
  const manifest = await readManifest(folder);
  if (manifest === null) throw damaged([MANIFEST_NAME]);
  const total = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  let done = 0;
  const wrong: string[] = [];
  for (const file of manifest.files) {
    signal.throwIfAborted();
    if ((await sha256Of(join(folder, file.path), signal)) !== file.sha256) wrong.push(file.path);
    onBytes((done += file.bytes), total);
  }
  if (wrong.length > 0) throw damaged(wrong);
}

/** The manifest of an installed runtime; null when it is missing or damaged. */
export async function readManifest(folder: string): Promise<RuntimeManifest | null> {
  try {
    return runtimeManifestSchema.parse(JSON.parse(await readFile(join(folder, MANIFEST_NAME), "utf8")));
  } catch {
    return null;
  }
}

function damaged(files: readonly string[]): FaultError {
  const more = files.length > NAMED ? ` and ${String(files.length - NAMED)} more` : "";
  return new FaultError({ code: "RUNTIME_FILES_DAMAGED", what: "Files of the engine are damaged.", why: `Missing or changed: ${files.slice(0, NAMED).join(", ")}${more}.`, hint: "Install the runtime again from its archive, or go back to the one before. Check the disk if it happens again." });
}

/** Null for a file that cannot be read. */
async function sha256Of(path: string, signal: AbortSignal): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2, signal }) as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest("hex");
  } catch (error) {
    signal.throwIfAborted();
    if (systemErrorCode(error) === null) throw error;
    return null;
  }
}
