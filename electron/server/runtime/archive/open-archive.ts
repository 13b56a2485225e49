import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { fileFault, FaultError, systemErrorCode } from "../../common/fault-error.ts";
import { indexNewer, indexUnreadable } from "./archive-faults.ts";
import { ARCHIVE_FORMAT, type ArchiveIndex, archiveIndexSchema } from "./format.schema.ts";

/** A volume takes 150 bytes; a thousand of them are far below this. */
export const MOST_INDEX_BYTES = 1_000_000;

/** An archive whose index was understood; its volumes have not been looked at. */
export interface Archive {
  readonly indexPath: string;
  /** Where the volumes lie. */
  readonly folder: string;
  readonly index: ArchiveIndex;
}

/**
 * Read an archive's index.
 * @throws FaultError ARCHIVE_UNREADABLE, ARCHIVE_NEWER, or that of the file
 */
export async function openArchive(indexPath: string): Promise<Archive> {
  return { indexPath, folder: dirname(indexPath), index: parseIndex(await readText(indexPath)) };
}

/**
 * Understand the text of an index.
 * @throws FaultError ARCHIVE_UNREADABLE, ARCHIVE_NEWER
 */
export function parseIndex(text: string): ArchiveIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw indexUnreadable("The file is no JSON, or is cut off.");
  }
  if (typeof value === "object" && value !== null && "format" in value && typeof value.format === "number" && value.format > ARCHIVE_FORMAT) throw indexNewer();
  const read = archiveIndexSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw indexUnreadable(`Its entry ${issue === undefined || issue.path.length === 0 ? "list" : issue.path.join(".")} is wrong.`);
}

/** Never more than an index can have: somebody may pick a film. */
async function readText(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(MOST_INDEX_BYTES + 1), 0, MOST_INDEX_BYTES + 1, 0);
      if (bytesRead > MOST_INDEX_BYTES) throw indexUnreadable("The file is far larger than an index.");
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof FaultError) throw error;
    if (["ENOENT", "EISDIR", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) throw indexUnreadable("There is no such file.");
    throw new FaultError(fileFault(error) ?? indexUnreadable("The system cannot read it.").fault, { cause: error });
  }
}
