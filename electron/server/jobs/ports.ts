import type { Said } from "../../contract/said.schema.ts";
import type { ProjectDocument } from "../../contract/document/project-document.schema.ts";
import type { Job, JobWork } from "../../contract/jobs.schema.ts";
import type { Counts, Lane } from "./job-states.ts";

/** What the queue needs of the rest of the studio. */

export interface JobProject {
  readonly name: string;
  readonly folder: string;
  /** As it is now, saved or not. */
  readonly document: ProjectDocument;
  readonly revision: number;
}

export type ExportTarget = { readonly kind: "path"; readonly path: string } | { readonly kind: "download" };

export interface RunRequest {
  readonly job: Job;
  readonly projectFolder: string;
  readonly document: ProjectDocument;
  /** The file to make; null for a render. */
  readonly targetPath: string | null;
}

export interface RunProgress extends Counts {
  readonly doing: Said;
  readonly takeId: string | null;
  readonly clip: number | null;
  readonly clipOnTimeline: number | null;
  readonly clipShare: number;
  readonly picture: { readonly clip: number; readonly frame: number } | null;
  readonly framesPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly memoryBytes: number | null;
  /** The most it was until now. */
  readonly peakMemoryBytes: number | null;
  readonly expected: { readonly memoryBytes: number; readonly framesPerSecond: number | null } | null;
  readonly warnings: readonly Said[];
}

export type RunOutcome = { readonly kind: "finished"; readonly bytes: number } | { readonly kind: "stopped" };

/** Does a job of its lane. An abort makes it stop soon with `stopped`; a FaultError fails the job. */
export type Runner = (request: RunRequest, report: (progress: RunProgress) => void, signal: AbortSignal) => Promise<RunOutcome>;

export interface JobPorts {
  /** Throws the project's fault when it cannot be opened. */
  readonly openProject: (projectId: string) => Promise<JobProject>;
  readonly run: Readonly<Record<Lane, Runner>>;
  /** Look before a job is taken on; throws why it cannot work. `targetFolder` is where an export goes. Answers how many clips it is about. */
  readonly check: (project: JobProject, work: JobWork, targetFolder: string) => Promise<{ readonly clips: number }>;
  /** Seconds since the worker last said anything. */
  readonly silentSeconds: () => number;
}
