import type { Fault } from "../fault.schema.ts";
import type { Job } from "../jobs.schema.ts";
import type { TakeOutput } from "../outputs.schema.ts";
import { assertNever } from "../assert-never.ts";
import type { ProjectDocument, Quality } from "./project-document.schema.ts";
import { type ClipOnDisk, compareTake, type StaleReason } from "./staleness.ts";
import { compileTakes, type Ingredients, ingredientsOfTake, type Take } from "./takes.ts";

/** `contentHash` names what is on disk to look at meanwhile, fresh or not; null when there is nothing. */
export type CellState =
  | { readonly kind: "empty"; readonly contentHash: null }
  | { readonly kind: "queued"; readonly contentHash: string | null }
  | { readonly kind: "rendering"; readonly share: number; readonly contentHash: string | null }
  | { readonly kind: "fresh"; readonly contentHash: string }
  | { readonly kind: "stale"; readonly reasons: readonly StaleReason[]; readonly contentHash: string }
  | { readonly kind: "failed"; readonly fault: Fault; readonly contentHash: string | null };

/** One clip on the timeline. */
export type Cell = {
  readonly takeId: string;
  /** Counted from the take's start. */
  readonly clip: number;
  /** On the timeline. */
  readonly startFrame: number;
  readonly frames: number;
  readonly state: CellState;
};

/** Neighbouring cells of one take in the same kind of state: `cells[first]` to `cells[first + count - 1]`. */
export type CellRun = { readonly kind: CellState["kind"]; readonly first: number; readonly count: number; readonly startFrame: number; readonly frames: number };

export type OutputLane = {
  readonly cells: readonly Cell[];
  readonly runs: readonly CellRun[];
  readonly counts: Readonly<Record<CellState["kind"], number>>;
  /** First frame of the first stale cell. */
  readonly firstStaleFrame: number | null;
  /** First frame of the first cell that is not fresh; null when all are, or there are none. */
  readonly firstFrameNotFresh: number | null;
};

/**
 * The output lane of one quality: a cell for each clip, in order. Empty while the timeline cannot be rendered.
 * @param outputs those of other qualities and takes are left aside
 * @param jobs all jobs; of this project's renders, the one that runs, those that wait, and a failed one that none has followed are shown
 * @param documents what jobs work on that have begun, by job id: a clip edited since does not wait for such a job, which will not make it as it is wanted now
 */
export function outputLane(document: ProjectDocument, outputs: readonly TakeOutput[], jobs: readonly Job[], quality: Quality, documents: ReadonlyMap<string, ProjectDocument> = NO_DOCUMENTS): OutputLane {
  const compilation = compileTakes(document);
  const takes = compilation.renderable ? compilation.takes : [];
  const outputOf = new Map(outputs.filter((output) => output.quality === quality).map((output) => [output.takeId, output]));
  const renders = rendersOf(jobs, document.id, quality);
  const cells: Cell[] = [];
  for (const take of takes) {
    const wanted = ingredientsOfTake(document, take, quality);
    const onDisk = compareTake(wanted, outputOf.get(take.id) ?? null);
    const made = renders.map(({ jobId, state, scope }) => ({ state, scope, clips: clipsMade(wanted, take.id, documents.get(jobId) ?? document, document, quality) }));
    wanted.clips.forEach(({ frames }, clip) => {
      const startFrame = take.start + clip * wanted.take.inferFrames;
      const place: Place = { take, clip, startFrame, indexOnTimeline: cells.length };
      cells.push({ takeId: take.id, clip, startFrame, frames, state: stateOf(onDisk[clip] ?? null, place, made) });
    });
  }
  return { cells, runs: runsOf(cells), ...summaryOf(cells) };
}

type Place = { readonly take: Take; readonly clip: number; readonly startFrame: number; readonly indexOnTimeline: number };

const NO_DOCUMENTS: ReadonlyMap<string, ProjectDocument> = new Map();

/** How many clips of a take, from its first one on, a job makes as they are wanted now: all after it, at the latest, go on from one that differs. */
function clipsMade(wanted: Ingredients, takeId: string, ofJob: ProjectDocument, now: ProjectDocument, quality: Quality): number {
  if (ofJob === now) return wanted.clips.length;
  const made = ingredientsIn(ofJob, quality).get(takeId);
  if (made === undefined) return 0;
  const compared = compareTake(wanted, { takeId, quality, ingredients: made.take, width: made.take.width, height: made.take.height, clips: made.clips.map((ingredients) => ({ ingredients, contentHash: "", frames: ingredients.frames, bytes: 0 })) });
  const other = compared.findIndex((clip) => clip === null || clip.reasons.length > 0);
  return other < 0 ? compared.length : other;
}

/** A job's document is compared again and again while it runs. */
const knownIngredients = new WeakMap<ProjectDocument, { readonly quality: Quality; readonly takes: ReadonlyMap<string, Ingredients> }>();

function ingredientsIn(document: ProjectDocument, quality: Quality): ReadonlyMap<string, Ingredients> {
  const known = knownIngredients.get(document);
  if (known?.quality === quality) return known.takes;
  const compilation = compileTakes(document);
  const takes = new Map((compilation.renderable ? compilation.takes : []).map((take) => [take.id, ingredientsOfTake(document, take, quality)]));
  knownIngredients.set(document, { quality, takes });
  return takes;
}

function stateOf(onDisk: ClipOnDisk, place: Place, renders: readonly Made[]): CellState {
  const contentHash = onDisk?.contentHash ?? null;
  for (const render of renders) {
    const { state } = render;
    if (state.status === "running" && state.takeId === place.take.id && state.clip === place.clip) return { kind: "rendering", share: state.clipShare, contentHash };
  }
  if (onDisk !== null && onDisk.reasons.length === 0) return { kind: "fresh", contentHash: onDisk.contentHash };
  for (const { state, scope, clips } of renders) {
    if (state.status !== "failed" && place.clip < clips && covers(scope, place)) return { kind: "queued", contentHash };
    if (state.status === "failed" && state.clip === place.indexOnTimeline) return { kind: "failed", fault: state.fault, contentHash };
  }
  return onDisk === null ? { kind: "empty", contentHash: null } : { kind: "stale", reasons: onDisk.reasons, contentHash: onDisk.contentHash };
}

type RenderWork = Extract<Job["work"], { kind: "render" }>;
type Render = { readonly jobId: string; readonly scope: RenderWork["scope"]; readonly state: Job["state"] };
/** A render and how many clips of the take at hand it makes as they are wanted now. */
type Made = Pick<Render, "scope" | "state"> & { readonly clips: number };

/** Renders that show in the lane: those under way or waiting, and the newest of all if it failed. */
function rendersOf(jobs: readonly Job[], projectId: string, quality: Quality): Render[] {
  let newest: Job | null = null;
  const shown: Render[] = [];
  for (const job of jobs) {
    if (job.projectId !== projectId || job.work.kind !== "render" || job.work.quality !== quality) continue;
    if (newest === null || job.createdAt > newest.createdAt) newest = job;
    const { status } = job.state;
    if (status === "queued" || status === "running") shown.push({ jobId: job.id, scope: job.work.scope, state: job.state });
  }
  if (newest?.state.status === "failed" && newest.work.kind === "render") shown.push({ jobId: newest.id, scope: newest.work.scope, state: newest.state });
  return shown;
}

/** Whether a render comes to a clip. One of a range renders from the start of each take it touches up to the range's end. */
function covers(scope: RenderWork["scope"], { take, startFrame }: Place): boolean {
  switch (scope.kind) {
    case "all":
    case "stale":
      return true;
    case "range":
      return startFrame < scope.end && scope.start < take.start + take.frames;
    default:
      return assertNever(scope);
  }
}

function runsOf(cells: readonly Cell[]): CellRun[] {
  const runs: CellRun[] = [];
  let first = 0;
  for (let index = 0; index < cells.length; index += 1) {
    const [from, cell, next] = [cells[first], cells[index], cells[index + 1]];
    if (from === undefined || cell === undefined) break;
    if (next?.state.kind === cell.state.kind && next.takeId === cell.takeId) continue;
    runs.push({ kind: cell.state.kind, first, count: index + 1 - first, startFrame: from.startFrame, frames: cell.startFrame + cell.frames - from.startFrame });
    first = index + 1;
  }
  return runs;
}

function summaryOf(cells: readonly Cell[]): Pick<OutputLane, "counts" | "firstStaleFrame" | "firstFrameNotFresh"> {
  const counts = { empty: 0, queued: 0, rendering: 0, fresh: 0, stale: 0, failed: 0 };
  for (const cell of cells) counts[cell.state.kind] += 1;
  const firstFrame = (wanted: (cell: Cell) => boolean): number | null => cells.find(wanted)?.startFrame ?? null;
  return {
    counts,
    firstStaleFrame: firstFrame((cell) => cell.state.kind === "stale"),
    firstFrameNotFresh: firstFrame((cell) => cell.state.kind !== "fresh"),
  };
}
