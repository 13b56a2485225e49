import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import type { Job } from "../../../electron/contract/jobs.schema.ts";

/** What renders of a project that have begun and not ended work on, by job id. */
export type DocumentsOfJobs = ReadonlyMap<string, ProjectDocument>;

/**
 * Keeps the documents of the renders under way: what was edited since one began, it does not make as it is wanted now.
 * @param ask the server; null while a render has not begun
 * @param tell called when there are others than before
 * @returns to be called with the project's jobs whenever they change
 */
export function followJobDocuments(ask: (jobId: string) => Promise<ProjectDocument | null>, tell: (documents: DocumentsOfJobs) => void): (jobs: readonly Job[]) => void {
  let documents: DocumentsOfJobs = new Map();
  const asked = new Set<string>();
  let begun: ReadonlySet<string> = new Set();
  const change = (next: DocumentsOfJobs) => {
    documents = next;
    tell(next);
  };

  const get = async (jobId: string): Promise<void> => {
    asked.add(jobId);
    const document = await ask(jobId).catch(() => null);
    // Asked again with the next news: the connection may be gone, or the render about to begin.
    if (document === null) asked.delete(jobId);
    else if (begun.has(jobId)) change(new Map([...documents, [jobId, document]]));
  };

  return (jobs) => {
    begun = new Set(jobs.filter(hasBegun).map((job) => job.id));
    if ([...documents.keys()].some((jobId) => !begun.has(jobId))) change(new Map([...documents].filter(([jobId]) => begun.has(jobId))));
    for (const jobId of [...asked]) if (!begun.has(jobId)) asked.delete(jobId);
    for (const jobId of begun) if (!asked.has(jobId)) void get(jobId);
  };
}

function hasBegun({ work, state }: Job): boolean {
  return work.kind === "render" && (state.status === "running" || (state.status === "queued" && state.resumes));
}
