import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { projectDocumentSchema, type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { removeStaleTemporaries, writeFileAtomically, writeJsonAtomically } from "../common/atomic-file.ts";
import { systemErrorCode } from "../common/fault-error.ts";
import { type JobRecord, jobRecordSchema } from "./job-record.ts";

/** End of a log that is shown. */
const MOST_LOG_BYTES = 200_000;

/** Jobs on disk: a folder each, with `job.json`, the document it works on, and its log. */
export interface JobStore {
  readonly readAll: () => Promise<JobRecord[]>;
  readonly write: (record: JobRecord) => Promise<void>;
  readonly remove: (jobId: string) => Promise<void>;
  /** The document as it was when the job began; null before. */
  readonly readDocument: (jobId: string) => Promise<ProjectDocument | null>;
  readonly writeDocument: (jobId: string, document: ProjectDocument) => Promise<void>;
  readonly forgetDocument: (jobId: string) => Promise<void>;
  readonly logPath: (jobId: string) => string;
  readonly readLog: (jobId: string) => Promise<string>;
  /** Folder for what the job makes when it has no place chosen by the user. */
  readonly resultFolder: (jobId: string) => string;
}

export function createJobStore(folder: string): JobStore {
  const jobFolder = (jobId: string): string => join(folder, jobId);
  const recordPath = (jobId: string): string => join(jobFolder(jobId), "job.json");
  const documentPath = (jobId: string): string => join(jobFolder(jobId), "document.json");
  const logPath = (jobId: string): string => join(jobFolder(jobId), "job.log");

  async function read(jobId: string): Promise<JobRecord | null> {
    await removeStaleTemporaries(jobFolder(jobId));
    const text = await readIfThere(recordPath(jobId));
    if (text === null) return null;
    const record = jobRecordSchema.safeParse(parse(text));
    if (record.success && record.data.job.id === jobId) return record.data;
    // Of a newer program, or damaged by something else: out of the way, not lost.
    await rename(recordPath(jobId), `${recordPath(jobId)}.unreadable`).catch(() => undefined);
    return null;
  }

  return {
    readAll: async () => {
      const names = await readdir(folder).catch(() => []);
      const records = await Promise.all(names.map(read));
      return records.filter((record) => record !== null).sort((a, b) => a.order - b.order);
    },
    write: async (record) => {
      await mkdir(jobFolder(record.job.id), { recursive: true });
      await writeJsonAtomically(recordPath(record.job.id), record);
    },
    remove: async (jobId) => rm(jobFolder(jobId), { recursive: true, force: true }),
    readDocument: async (jobId) => {
      const text = await readIfThere(documentPath(jobId));
      return text === null ? null : (projectDocumentSchema.safeParse(parse(text)).data ?? null);
    },
    writeDocument: async (jobId, document) => {
      await mkdir(jobFolder(jobId), { recursive: true });
      await writeFileAtomically(documentPath(jobId), JSON.stringify(document));
    },
    forgetDocument: async (jobId) => rm(documentPath(jobId), { force: true }),
    logPath,
    readLog: async (jobId) => readEnd(logPath(jobId)),
    resultFolder: (jobId) => join(jobFolder(jobId), "result"),
  };
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return null;
    throw error;
  }
}

async function readEnd(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const bytes = Math.min(size, MOST_LOG_BYTES);
      const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
      // Who reads their own log sees all of it; the marks are for the diagnostics report.
      return buffer.toString("utf8").replaceAll(/[\u2e28\u2e29]/gu, "");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
