import { assertNever } from "../../contract/assert-never.ts";
import { compareTake } from "../../contract/document/staleness.ts";
import { compileTakes, ingredientsOfTake, type Ingredients, type Take } from "../../contract/document/takes.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { RenderScope } from "../../contract/jobs.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { clipsOfFrames } from "../../contract/time.ts";
import { notRenderable } from "./render-faults.ts";

/** One take of a render, with how much of it is wanted. */
export interface PlannedTake {
  readonly take: Take;
  readonly ingredients: Ingredients;
  /** Clips wanted, from the take's first one on: every clip goes on from the one before it. */
  readonly clips: number;
  /** Of those, clips that are on disk and still what the document says. */
  readonly freshClips: number;
  /** The take's first clip, counted over all takes of the timeline. */
  readonly firstClip: number;
}

export interface RenderPlan {
  readonly takes: readonly PlannedTake[];
  readonly clips: number;
  readonly freshClips: number;
}

/**
 * What a render has to do. Pure.
 * @throws FaultError NOTHING_TO_RENDER_… naming what the timeline lacks, RANGE_EMPTY
 */
export function planRender(document: ProjectDocument, quality: Quality, scope: RenderScope, outputs: readonly TakeOutput[]): RenderPlan {
  const compilation = compileTakes(document);
  if (!compilation.renderable) throw notRenderable(compilation.lacks);
  const byTake = new Map(outputs.filter((output) => output.quality === quality).map((output) => [output.takeId, output]));
  let clipsBefore = 0;
  const takes = compilation.takes.flatMap((take) => {
    const firstClip = clipsBefore;
    clipsBefore += clipsOfFrames(take.frames, document.settings.inferFrames);
    const ingredients = ingredientsOfTake(document, take, quality);
    const clips = clipsWanted(take, document.settings.inferFrames, scope);
    const freshClips = Math.min(clips, countFresh(ingredients, byTake.get(take.id) ?? null));
    const skip = clips === 0 || (scope.kind === "stale" && freshClips === clips);
    return skip ? [] : [{ take, ingredients, clips, freshClips, firstClip }];
  });
  const sum = (count: (planned: PlannedTake) => number): number => takes.reduce((total, planned) => total + count(planned), 0);
  return { takes, clips: sum((planned) => planned.clips), freshClips: sum((planned) => planned.freshClips) };
}

/** Leading clips on disk that were made from what is wanted now. */
export function countFresh(wanted: Ingredients, output: TakeOutput | null): number {
  const clips = compareTake(wanted, output);
  const first = clips.findIndex((clip) => clip === null || clip.reasons.length > 0);
  return first < 0 ? clips.length : first;
}

function clipsWanted(take: Take, inferFrames: number, scope: RenderScope): number {
  const all = clipsOfFrames(take.frames, inferFrames);
  switch (scope.kind) {
    case "all":
    case "stale":
      return all;
    case "range":
      if (scope.start >= take.start + take.frames || scope.end <= take.start) return 0;
      return Math.min(all, clipsOfFrames(scope.end - take.start, inferFrames));
    default:
      return assertNever(scope);
  }
}
