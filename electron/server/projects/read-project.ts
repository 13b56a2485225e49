import { copyFile, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { bytesText } from "../../contract/byte-size.ts";
import { type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { type Fault } from "../../contract/fault.schema.ts";
import { removeStaleTemporaries, temporaryNameFor } from "../common/atomic-file.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { backupTexts } from "./backups.ts";
import { MOST_PROJECT_BYTES, parseProject, PROJECT_FILE } from "./project-file.ts";

/** Tells whether the file on disk is still the one that was read or written. */
export interface FileStamp {
  readonly inode: number;
  readonly bytes: number;
  readonly changedAt: number;
}

export interface LoadedProject {
  readonly document: ProjectDocument;
  readonly revision: number;
  readonly readOnly: boolean;
  readonly notices: readonly Fault[];
  /** The file as it was read; null when it has to be written anew. */
  readonly stamp: FileStamp | null;
  /** Its text, for the first backup. */
  readonly text: string;
}

/**
 * Reads a project's folder; a damaged file is replaced by the newest good backup (and kept beside it).
 * Throws PROJECT_MISSING, PROJECT_NEWER, PROJECT_TOO_LARGE or PROJECT_DAMAGED.
 */
export async function loadProject(folder: string): Promise<LoadedProject> {
  const readOnly = !(await canWrite(folder));
  const notices: Fault[] = readOnly ? [readOnlyNotice] : [];
  if (!readOnly) await removeStaleTemporaries(folder);
  const file = await readProjectFile(folder);
  const read = file === null ? null : parseProject(file.text);
  if (file !== null && read !== null && read.kind === "ok") {
    if (read.migratedFrom !== null) notices.push(migratedNotice(read.migratedFrom));
    return { document: read.document, revision: read.revision, readOnly, notices, stamp: file.stamp, text: file.text };
  }
  if (read?.kind === "newer") throw new FaultError(read.fault);
  const backup = await newestGoodBackup(folder);
  if (backup === null) throw new FaultError(read === null || read.kind === "ok" ? missing : read.fault);
  if (!readOnly && file !== null) await copyFile(join(folder, PROJECT_FILE), join(folder, `${PROJECT_FILE}.damaged`)).catch(() => undefined);
  // A revision that no page can have seen: what it still holds is then a conflict, not a silent overwrite.
  return { document: backup.document, revision: backup.revision + 1_000, readOnly, notices: [...notices, recoveredNotice(backup.at)], stamp: null, text: backup.text };
}

export async function readStamp(folder: string): Promise<FileStamp | null> {
  try {
    const facts = await stat(join(folder, PROJECT_FILE));
    return { inode: facts.ino, bytes: facts.size, changedAt: facts.mtimeMs };
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return null;
    throw error;
  }
}

export function sameStamp(one: FileStamp | null, other: FileStamp | null): boolean {
  return one?.inode === other?.inode && one?.bytes === other?.bytes && one?.changedAt === other?.changedAt;
}

async function readProjectFile(folder: string): Promise<{ readonly text: string; readonly stamp: FileStamp } | null> {
  try {
    const stamp = await readStamp(folder);
    if (stamp === null) return null;
    // Asked before anything is read: a file of many gigabytes must not be.
    if (stamp.bytes > MOST_PROJECT_BYTES) throw new FaultError(tooLarge);
    return { text: await readFile(join(folder, PROJECT_FILE), "utf8"), stamp };
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(systemErrorCode(error) ?? "")) return null;
    throw error;
  }
}

async function newestGoodBackup(folder: string): Promise<{ readonly document: ProjectDocument; readonly revision: number; readonly at: number; readonly text: string } | null> {
  for await (const { text, at } of backupTexts(folder)) {
    const read = parseProject(text);
    if (read.kind === "ok") return { document: read.document, revision: read.revision, at, text };
  }
  return null;
}

/** Tried, not asked: permissions, read-only disks and network shares all answer differently. */
async function canWrite(folder: string): Promise<boolean> {
  const probe = temporaryNameFor(join(folder, "probe"));
  try {
    await (await open(probe, "wx")).close();
    await rm(probe, { force: true });
    return true;
  } catch (error) {
    return systemErrorCode(error) === "ENOSPC";
  }
}

export const missing: Fault = { code: "PROJECT_MISSING", what: "The project was not found.", why: "Its folder was moved, renamed or deleted, or its disk is not connected.", hint: "Connect the disk, or open the project at its new place.", field: null };
const tooLarge: Fault = { code: "PROJECT_TOO_LARGE", what: "The project file is not opened.", why: `It has more than ${bytesText(MOST_PROJECT_BYTES)}, which no project of this program has.`, hint: "Open one of the copies in the project's backups folder.", field: null };
const readOnlyNotice: Fault = { code: "PROJECT_READ_ONLY", what: "The project is open for reading only.", why: "Its folder cannot be written.", hint: "Duplicate the project to change it.", field: null };

function recoveredNotice(at: number): Fault {
  return {
    code: "PROJECT_RECOVERED",
    what: "The project was recovered from a backup.",
    why: `Its file was damaged or missing. The backup was made at ${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC.`,
    hint: "Check the last changes. The damaged file was kept as project.avatar.damaged.",
    field: null,
  };
}

function migratedNotice(from: number): Fault {
  return { code: "PROJECT_MIGRATED", what: "The project was brought up to date.", why: `Its file had the older version ${String(from)}.`, hint: "An older Avatar Studio cannot open it any more; a copy is in its backups folder.", field: null };
}
