import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../common/fault-error.ts";
import { volumeDamaged, volumeMissing } from "./archive-faults.ts";
import type { Archive } from "./open-archive.ts";

const CHUNK_BYTES = 1024 ** 2;

/**
 * Compare every volume with the index: first that all are there in full length, which takes no time, then their sha256.
 * `onBytes` hears how many bytes were read.
 * @throws FaultError ARCHIVE_VOLUME_MISSING, ARCHIVE_VOLUME_DAMAGED, or the signal's reason
 */
export async function verifyVolumes(archive: Archive, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  for (const { name, bytes } of archive.index.volumes) {
    const facts = await stat(join(archive.folder, name)).catch((error: unknown) => {
      if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return null;
      throw error;
    });
    if (facts?.isFile() !== true) throw volumeMissing(name);
    if (facts.size !== bytes) throw volumeDamaged(name, `It has ${String(facts.size)} bytes instead of ${String(bytes)}.`);
  }
  for (const { name, sha256 } of archive.index.volumes) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(join(archive.folder, name), { highWaterMark: CHUNK_BYTES, signal }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
    if (hash.digest("hex") !== sha256) throw volumeDamaged(name, "Its sha256 is not that of the index: bytes were changed on the way.");
  }
}
