import { join } from "node:path";
import { assertNever } from "../../contract/assert-never.ts";
import { compareTake, type StaleReason } from "../../contract/document/staleness.ts";
import { compileTakes, ingredientsOfTake, type Take } from "../../contract/document/takes.ts";
import { framesOfProject } from "../../contract/document/timeline.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { clipsOfFrames, timecode } from "../../contract/time.ts";
import { FaultError } from "../common/fault-error.ts";
import { notRenderable } from "./render-faults.ts";
import { clipFileName, INIT_FILE, takeFolder } from "./take-folders.ts";

/** Frames of the timeline; `end` is the first one after it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Finished clips of one take, from its first one on. Put end to end after `initPath` they are an MP4. */
export interface ExportTake {
  /** On the timeline. */
  readonly start: number;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly initPath: string;
  readonly clips: readonly { readonly path: string; readonly frames: number; readonly contentHash: string }[];
}

export interface ExportPlan {
  readonly span: Span;
  /** Empty for formats without pictures. */
  readonly takes: readonly ExportTake[];
  /** Clips among them that are not what the timeline says now. */
  readonly staleClips: number;
}

/**
 * Which files an export needs. Only clips that are what the timeline says now are used, unless the request takes stale ones.
 * @throws FaultError CLIP_MISSING, CLIP_STALE naming the first such clip, RANGE_EMPTY, and what the timeline lacks
 */
export function planExport(document: ProjectDocument, projectFolder: string, quality: Quality, request: ExportRequest, outputs: readonly TakeOutput[]): ExportPlan {
  const frames = framesOfProject(document);
  const span = spanOf(request, frames);
  if (span.start >= span.end) throw rangeEmpty();
  switch (request.format) {
    case "wav":
    case "srt":
    case "vtt":
      return { span, takes: [], staleClips: 0 };
    case "mp4":
    case "webm":
    case "gif":
    case "png":
      return { span, ...planPictures(document, projectFolder, quality, span, outputs, request.useStale === true) };
    default:
      return assertNever(request);
  }
}

function planPictures(document: ProjectDocument, projectFolder: string, quality: Quality, span: Span, outputs: readonly TakeOutput[], useStale: boolean): Omit<ExportPlan, "span"> {
  const compilation = compileTakes(document);
  if (!compilation.renderable) throw notRenderable(compilation.lacks);
  const { inferFrames } = document.settings;
  const ofQuality = (wanted: Quality, takeId: string): TakeOutput | null => outputs.find((output) => output.quality === wanted && output.takeId === takeId) ?? null;

  let clipsBefore = 0;
  let staleClips = 0;
  const takes: ExportTake[] = [];
  for (const take of compilation.takes) {
    const firstClip = clipsBefore;
    clipsBefore += clipsOfFrames(take.frames, inferFrames);
    const from = Math.max(span.start, take.start) - take.start;
    const to = Math.min(span.end, take.start + take.frames) - take.start;
    if (from >= to) continue;
    const output = ofQuality(quality, take.id);
    const compared = compareTake(ingredientsOfTake(document, take, quality), output);
    // Clips of another length reach further, or less far, than as many of the present one.
    const framesOnDisk = output?.clips.reduce((sum, clip) => sum + clip.frames, 0) ?? 0;
    const first = Math.floor(from / inferFrames);
    const end = clipsOfFrames(to, inferFrames);
    for (let clip = first; clip < end; clip += 1) {
      const found = compared[clip] ?? null;
      const place = `clip ${firstClip + clip + 1} (at ${timecode(take.start + clip * inferFrames)})`;
      const there = useStale ? framesOnDisk >= Math.min(to, (clip + 1) * inferFrames) : found !== null;
      if (!there) throw clipMissing(place, quality, hasClips(ofQuality("preview", take.id)));
      if (found?.reasons.length === 0) continue;
      if (!useStale) throw clipStale(place, found?.reasons ?? []);
      staleClips += 1;
    }
    if (output !== null) takes.push(exportTake(projectFolder, quality, take, output, useStale ? output.clips.length : end));
  }
  return { takes, staleClips };
}

function exportTake(projectFolder: string, quality: Quality, take: Take, output: TakeOutput, endClip: number): ExportTake {
  const folder = takeFolder(projectFolder, quality, take.id);
  return {
    start: take.start,
    frames: take.frames,
    width: output.width,
    height: output.height,
    initPath: join(folder, INIT_FILE),
    clips: output.clips.slice(0, endClip).map(({ frames, contentHash }, index) => ({ path: join(folder, clipFileName(index)), frames, contentHash })),
  };
}

function spanOf(request: ExportRequest, frames: number): Span {
  if (request.format === "png") return { start: request.frame, end: Math.min(frames, request.frame + 1) };
  const { start, end } = request.range ?? { start: 0, end: frames };
  return { start, end: Math.min(end, frames) };
}

const hasClips = (output: TakeOutput | null): boolean => output !== null && output.clips.length > 0;

function rangeEmpty(): FaultError {
  return new FaultError({ code: "RANGE_EMPTY", what: "There is nothing in the range to export.", why: "It lies behind the end of the timeline, or the timeline is empty.", hint: "Move the in and out points, or export everything.", field: "range" });
}

function clipMissing(place: string, quality: Quality, previewIsThere: boolean): FaultError {
  const hint = quality === "final" && previewIsThere ? "Render the final version first, or choose to export the preview." : "Render it first, or export a range that is finished.";
  return new FaultError({ code: "CLIP_MISSING", what: `The video is not finished: ${place} is missing.`, why: quality === "final" ? "It has not been rendered in final quality yet." : "It has not been rendered yet.", hint });
}

const REASONS: Readonly<Record<StaleReason["kind"], string>> = {
  portrait: "the portrait",
  prompt: "the prompt",
  sound: "the sound",
  size: "the size",
  steps: "the number of steps",
  seed: "the seed",
  model: "the model",
  length: "the length",
  clipLength: "the length of clips",
  earlierClip: "an earlier clip",
};

function clipStale(place: string, reasons: readonly StaleReason[]): FaultError {
  const changed = [...new Set(reasons.map((reason) => REASONS[reason.kind]))].join(", ");
  return new FaultError({ code: "CLIP_STALE", what: `The video is not up to date: ${place} is old.`, why: `Changed since it was rendered: ${changed}.`, hint: "Render what is stale first, export a range that is up to date, or choose to export it as it is." });
}
