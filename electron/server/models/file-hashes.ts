import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Fault } from "../../contract/fault.schema.ts";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { fileFault } from "../common/fault-error.ts";

const recordSchema = z.record(z.string(), z.object({ bytes: z.number(), sha256: z.string() }));
type HashRecord = z.infer<typeof recordSchema>;

/**
 * Reads every byte of a model's files and compares them with what they must be: `published` where the studio brought them, else how they were at the first
 * verification, whose hashes are kept in `recordPath`. So a disk that fails and a copy that changed are found. Throws the signal's reason.
 */
export async function verifyFiles(
  folder: string,
  files: readonly { readonly path: string; readonly bytes: number }[],
  recordPath: string,
  options: { readonly signal: AbortSignal; readonly onBytes: (done: number) => void; readonly published?: HashRecord },
): Promise<readonly Fault[]> {
  const before = { ...(await readRecord(recordPath)), ...options.published };
  const record: Record<string, { bytes: number; sha256: string }> = { ...before };
  const faults: Fault[] = [];
  let done = 0;
  for (const { path } of files) {
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of createReadStream(join(folder, ...path.split("/")), { highWaterMark: 1 << 20, signal: options.signal })) {
        hash.update(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        options.onBytes(done + bytes);
      }
      done += bytes;
      const sha256 = hash.digest("hex");
      const known = before[path];
      if (known === undefined) record[path] = { bytes, sha256 };
      else if (known.sha256 !== sha256) faults.push(changed(path, known.bytes, bytes));
    } catch (error) {
      options.signal.throwIfAborted();
      faults.push({ code: "MODEL_FILE_UNREADABLE", what: `A file of the model cannot be read: ${path}.`, why: fileFault(error)?.why ?? "It is missing or the system refuses to read it.", hint: "Check the disk, and copy the file again.", field: null });
    }
  }
  await writeJsonAtomically(recordPath, record);
  return faults;
}

async function readRecord(path: string): Promise<HashRecord> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    // Without a readable record this is the first verification.
    return {};
  }
}

function changed(path: string, before: number, now: number): Fault {
  const size = before === now ? "It has the same size but other content" : `It had ${String(before)} bytes and has ${String(now)}`;
  return { code: "MODEL_FILE_CHANGED", what: `A file of the model has changed: ${path}.`, why: `${size} since it was brought or first verified.`, hint: "If you replaced it on purpose, take the folder off the list and add it again. Otherwise copy it from its source.", field: null };
}
