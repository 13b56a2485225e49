import { say } from "../common/say.ts";
import { assertNever } from "../../contract/assert-never.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { Job, JobState } from "../../contract/jobs.schema.ts";

/** Transitions of a job's state. Pure; `null` means that the state does not allow it. */

export interface Counts {
  readonly clipsDone: number;
  readonly clipsTotal: number;
  readonly clipsReused: number;
}

export const countsOf = ({ clipsDone, clipsTotal, clipsReused }: Counts): Counts => ({ clipsDone, clipsTotal, clipsReused });

/** Renders share the one worker; exports run beside them, one at a time. */
export type Lane = Job["work"]["kind"];
export const laneOf = (job: Job): Lane => job.work.kind;

/** What a job that a dead server left behind becomes. */
export function recovered(state: JobState, now: number): JobState {
  switch (state.status) {
    case "running":
      return { status: "queued", ...countsOf(state), resumes: true };
    case "stopping":
      return state.then === "paused" ? { status: "paused", ...countsOf(state) } : { status: "cancelled", ...countsOf(state), endedAt: now };
    case "queued":
    case "paused":
    case "cancelled":
    case "finished":
    case "failed":
      return state;
    default:
      return assertNever(state);
  }
}

const PREPARING = say("PREPARING", "Preparing");

export function begun(state: JobState, now: number): JobState | null {
  if (state.status !== "queued") return null;
  return { status: "running", ...countsOf(state), startedAt: now, doing: PREPARING.text, said: PREPARING, takeId: null, clip: null, clipShare: 0, picture: null, framesPerSecond: null, secondsLeft: null, memoryBytes: null, silentSeconds: 0 };
}

export function paused(state: JobState): JobState | null {
  switch (state.status) {
    case "queued":
      return { status: "paused", ...countsOf(state) };
    case "running":
      return { status: "stopping", ...countsOf(state), then: "paused" };
    case "stopping":
    case "paused":
      return state;
    case "cancelled":
    case "finished":
    case "failed":
      return null;
    default:
      return assertNever(state);
  }
}

export function cancelled(state: JobState, now: number): JobState | null {
  switch (state.status) {
    case "queued":
    case "paused":
      return { status: "cancelled", ...countsOf(state), endedAt: now };
    case "running":
    case "stopping":
      return { status: "stopping", ...countsOf(state), then: "cancelled" };
    case "cancelled":
      return state;
    case "finished":
    case "failed":
      return null;
    default:
      return assertNever(state);
  }
}

export function resumed(state: JobState): JobState | null {
  return state.status === "paused" ? { status: "queued", ...countsOf(state), resumes: true } : state.status === "queued" ? state : null;
}

export function retried(state: JobState): JobState | null {
  return state.status === "failed" || state.status === "cancelled" ? { status: "queued", ...countsOf(state), resumes: state.clipsDone > 0 } : null;
}

export type StopReason = "paused" | "cancelled" | "closing";

/** The state after a run that was stopped. A program that closes leaves the job to its next start. */
export function stopped(state: JobState, reason: StopReason, now: number): JobState {
  const counts = countsOf(state);
  switch (reason) {
    case "paused":
      return { status: "paused", ...counts };
    case "cancelled":
      return { status: "cancelled", ...counts, endedAt: now };
    case "closing":
      return { status: "queued", ...counts, resumes: true };
    default:
      return assertNever(reason);
  }
}

/** The disk is full, or would be. */
const NEEDS_ROOM: ReadonlySet<string> = new Set(["DISK_FULL", "DISK_TOO_SMALL"]);

/** A full disk is no failure of the job: it goes on when there is room. */
export function failedWith(state: JobState, fault: Fault, clip: number | null, now: number): JobState {
  return NEEDS_ROOM.has(fault.code) ? { status: "paused", ...countsOf(state), fault } : { status: "failed", ...countsOf(state), endedAt: now, fault, clip };
}

/** True when nothing more happens to it by itself. */
export function hasEnded(state: JobState): boolean {
  return state.status === "cancelled" || state.status === "finished" || state.status === "failed";
}

/** New places for the jobs that wait, with `jobId` at `position` among them; null when it does not wait. */
export function reordered(waiting: readonly { readonly id: string; readonly order: number }[], jobId: string, position: number): ReadonlyMap<string, number> | null {
  const ids = waiting.map((job) => job.id);
  if (!ids.includes(jobId)) return null;
  const others = ids.filter((id) => id !== jobId);
  const wanted = [...others.slice(0, position), jobId, ...others.slice(position)];
  // The same set of places in another order, so that jobs that do not wait keep theirs.
  const places = waiting.map((job) => job.order).sort((a, b) => a - b);
  return new Map(wanted.flatMap((id, index) => (places[index] === undefined ? [] : [[id, places[index]]])));
}
