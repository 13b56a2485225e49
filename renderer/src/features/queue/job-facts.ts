import { assertNever } from "../../../../electron/contract/assert-never.ts";
import type { Job, JobState } from "../../../../electron/contract/jobs.schema.ts";

/** It works on it right now. */
export function isActive(state: JobState): boolean {
  return state.status === "running" || state.status === "stopping";
}

/** It will not change by itself any more. */
export function hasEnded(state: JobState): boolean {
  return state.status === "finished" || state.status === "failed" || state.status === "cancelled";
}

/** Share of the work that is done, 0 to 1, the clip under way included. */
export function shareOf(state: JobState): number {
  if (state.status === "finished") return 1;
  if (state.clipsTotal === 0) return 0;
  return Math.min(1, (state.clipsDone + (state.status === "running" ? state.clipShare : 0)) / state.clipsTotal);
}

/** What the user can do with a job in this state. */
export interface JobOptions {
  readonly pause: boolean;
  readonly resume: boolean;
  readonly cancel: boolean;
  readonly retry: boolean;
  readonly forget: boolean;
  readonly move: boolean;
  readonly play: boolean;
  readonly result: boolean;
}

export function optionsOf(job: Job): JobOptions {
  const none: JobOptions = { pause: false, resume: false, cancel: false, retry: false, forget: false, move: false, play: false, result: false };
  const render = job.work.kind === "render";
  switch (job.state.status) {
    case "queued":
      return { ...none, cancel: true, move: true, pause: render };
    case "running":
      return { ...none, cancel: true, pause: render };
    case "stopping":
      return none;
    case "paused":
      return { ...none, cancel: true, resume: true };
    case "cancelled":
      return { ...none, retry: true, forget: true };
    case "failed":
      return { ...none, retry: true, forget: true };
    case "finished":
      return { ...none, forget: true, play: render, result: !render };
    default:
      return assertNever(job.state);
  }
}

/** Those that work, then those that wait, in their order; then those that ended, newest first. */
export function inReadingOrder(jobs: readonly Job[]): { readonly open: readonly Job[]; readonly ended: readonly Job[] } {
  const open = jobs.filter((job) => !hasEnded(job.state));
  const ended = jobs.filter((job) => hasEnded(job.state));
  const endedAt = (job: Job): number => ("endedAt" in job.state ? job.state.endedAt : 0);
  return {
    open: [...open.filter((job) => isActive(job.state)), ...open.filter((job) => !isActive(job.state))],
    ended: ended.sort((one, other) => endedAt(other) - endedAt(one)),
  };
}
