import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { assertNever } from "../../contract/assert-never.ts";
import { bytesText, MEGABYTE } from "../../contract/byte-size.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import { findMedia } from "../../contract/document/timeline.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { pictureSize } from "../../contract/picture-size.ts";
import { FRAMES_PER_SECOND } from "../../contract/time.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { stateBudget } from "./engine-job.ts";
import type { ExportPlan } from "./export-plan.ts";
import type { RenderPlan } from "./render-plan.ts";

/**
 * Whether there is room for what a job will write, before it starts. Estimates err on the large side; a disk that fills up all the same pauses
 * the job, and nothing finished is lost.
 */

/** Free bytes of the disk that a folder is on, or would be on once it is made. */
export type FreeBytes = (folder: string) => Promise<number>;

export const freeBytesOf: FreeBytes = async (folder) => {
  try {
    const disk = await statfs(folder);
    return disk.bavail * disk.bsize;
  } catch (error) {
    const parent = dirname(folder);
    if (systemErrorCode(error) !== "ENOENT" || parent === folder) throw error;
    return freeBytesOf(parent);
  }
};

/** Rough figures of the encoder, as the engine's planner has them (`live_avatar/footprint.py`). */
const BYTES_PER_PIXEL = 0.15 / 8;
const CLIP_SOUND_BYTES_PER_SECOND = 24_000;
/** Mixed at 48 kHz, two channels of 16 bits, and prepared by the engine. */
const MIX_BYTES_PER_SECOND = 192_000;
const PREPARED_BYTES_PER_SECOND = 88_000;
/** Pictures with finer grain than those the figures were made with. */
const MARGIN = 1.25;
/** Stays free: projects have to be saved, and other programs live too. */
const RESERVE_BYTES = 300 * MEGABYTE;

/** Bytes that a render writes, less those of old clips that it replaces. */
export function renderBytes(plan: RenderPlan, document: ProjectDocument, quality: Quality, outputs: readonly TakeOutput[]): number {
  const { inferFrames } = document.settings;
  let bytes = 0;
  for (const { take, clips, freshClips } of plan.takes) {
    const media = findMedia(document, take.portraitMediaId);
    const { width, height } = media?.kind === "image" ? pictureSize(document.settings[quality], media) : document.settings[quality];
    const frames = Math.max(0, Math.min(take.frames, clips * inferFrames) - freshClips * inferFrames);
    const old = outputs.find((output) => output.quality === quality && output.takeId === take.id)?.clips ?? [];
    const clipBytes = frames * width * height * BYTES_PER_PIXEL + (frames / FRAMES_PER_SECOND) * CLIP_SOUND_BYTES_PER_SECOND;
    const replaced = old.slice(freshClips, clips).reduce((sum, clip) => sum + clip.bytes, 0);
    const sound = frames === 0 ? 0 : (take.frames / FRAMES_PER_SECOND) * (MIX_BYTES_PER_SECOND + PREPARED_BYTES_PER_SECOND);
    bytes += Math.max(0, clipBytes * MARGIN - replaced) + sound;
  }
  return Math.ceil(bytes);
}

/** Bytes that an export writes, with what it needs on the way. */
export async function exportBytes(request: ExportRequest, { span, takes }: ExportPlan): Promise<number> {
  const seconds = (span.end - span.start) / FRAMES_PER_SECOND;
  const frames = span.end - span.start;
  const largest = takes.reduce((most, take) => Math.max(most, take.width * take.height), 0);
  switch (request.format) {
    case "mp4": {
      let pictures = 0;
      for (const { clips } of takes) for (const { path } of clips) pictures += (await stat(path).catch(() => null))?.size ?? 0;
      // The sound is encoded beside the video before it is joined to it.
      return Math.ceil(pictures * MARGIN + 2 * seconds * CLIP_SOUND_BYTES_PER_SECOND);
    }
    case "webm":
      return Math.ceil(frames * scaledPixels(largest, takes[0]?.width ?? request.width, request.width) * BYTES_PER_PIXEL * MARGIN + 2 * seconds * CLIP_SOUND_BYTES_PER_SECOND);
    case "gif":
      // At most half a byte a pixel is what is left of 256 colours.
      return Math.ceil(frames * scaledPixels(largest, takes[0]?.width ?? request.width, request.width) * 0.5);
    case "png":
      return largest * 4;
    case "wav":
      return Math.ceil(seconds * MIX_BYTES_PER_SECOND);
    case "srt":
    case "vtt":
      return MEGABYTE;
    default:
      return assertNever(request);
  }
}

function scaledPixels(pixels: number, width: number, wanted: number): number {
  return pixels * (wanted / width) ** 2;
}

/**
 * Looks before a render starts. `free` also has to hold the saved states that an edit in the middle starts from.
 * @throws FaultError DISK_TOO_SMALL with the figures
 */
export async function requireRoomToRender(free: FreeBytes, folder: string, quality: Quality, bytes: number): Promise<void> {
  const available = await free(folder);
  const needed = bytes + stateBudget(quality, available);
  if (needed + RESERVE_BYTES > available) throw new FaultError(diskTooSmall(needed + RESERVE_BYTES, available, "Free some space, render a part of the timeline, or choose a smaller size."));
}

/**
 * Looks before an export starts; the disk is that of the file to be made.
 * @throws FaultError DISK_TOO_SMALL with the figures
 */
export async function requireRoomToExport(free: FreeBytes, folder: string, bytes: number): Promise<void> {
  const available = await free(folder);
  if (bytes + RESERVE_BYTES > available) throw new FaultError(diskTooSmall(bytes + RESERVE_BYTES, available, "Free some space, export to another disk, or export a part of the timeline."));
}

/** The same words for an estimate, which does not refuse. */
export function diskTooSmall(needed: number, free: number, hint: string): Fault {
  return { code: "DISK_TOO_SMALL", what: "The disk is too small for this.", why: `About ${bytesText(needed)} are needed, with some room to spare, and ${bytesText(free)} are free.`, hint, field: null, values: { needed: bytesText(needed), free: bytesText(free) } };
}
