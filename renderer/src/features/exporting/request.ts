import type { OutputLane } from "../../../../electron/contract/document/output-lane.ts";
import type { StaleReason } from "../../../../electron/contract/document/staleness.ts";
import type { CaptionsSource, ExportRequest, VideoCaptions } from "../../../../electron/contract/jobs.schema.ts";
import type { FileKind, FileFilter } from "../../../../electron/contract/shell.ts";

export const FORMATS = ["mp4", "webm", "gif", "png", "wav", "captions"] as const;
export type Format = (typeof FORMATS)[number];

export interface Span {
  readonly start: number;
  /** First frame after it. */
  readonly end: number;
}

export interface ExportChoice {
  readonly format: Format;
  /** Only between the in and out points. */
  readonly onlyRange: boolean;
  /** Width of excerpts in pixels. */
  readonly width: number;
  /** Captions of an MP4; null for none. */
  readonly videoCaptions: VideoCaptions | null;
  /** What a captions file is made of, and its form. */
  readonly captions: { readonly source: CaptionsSource; readonly type: "srt" | "vtt" };
}

/** Longer excerpts are not what these formats are for; a GIF of a minute is hundreds of megabytes. */
export const LONGEST_EXCERPT_FRAMES = { webm: 25 * 60 * 10, gif: 25 * 30 } as const;

export type RequestProblem = "empty" | "excerptTooLong";

/** What is there to export: the video's length, the in and out points, and the frame of a still. */
export interface Extent {
  readonly frames: number;
  readonly range: Span | null;
  readonly playhead: number;
}

/** The frames that a choice is about; empty when there are none. */
export function spanOf({ format, onlyRange }: ExportChoice, { frames, range, playhead }: Extent): Span {
  if (format === "png") {
    const frame = Math.max(0, Math.min(playhead, frames - 1));
    return { start: frame, end: Math.min(frames, frame + 1) };
  }
  return onlyRange && range !== null ? { start: range.start, end: Math.min(range.end, frames) } : { start: 0, end: frames };
}

/** What is asked of the server for a choice, or why it cannot be. `useStale` takes clips that are out of date as they are. */
export function requestOf(choice: ExportChoice, extent: Extent, useStale: boolean): { readonly request: ExportRequest } | { readonly problem: RequestProblem } {
  const { format, width } = choice;
  const span = spanOf(choice, extent);
  if (span.end <= span.start) return { problem: "empty" };
  const range = choice.onlyRange && extent.range !== null ? span : null;
  const stale = useStale ? { useStale } : {};
  switch (format) {
    case "mp4":
      return { request: { format, range, ...(choice.videoCaptions !== null && { captions: choice.videoCaptions }), ...stale } };
    case "wav":
      return { request: { format, range } };
    case "webm":
    case "gif":
      return span.end - span.start > LONGEST_EXCERPT_FRAMES[format] ? { problem: "excerptTooLong" } : { request: { format, range: span, width, ...stale } };
    case "png":
      return { request: { format, frame: span.start, ...stale } };
    case "captions":
      return { request: { format: choice.captions.type, source: choice.captions.source, range } };
  }
}

const KINDS: Readonly<Record<Format, FileKind>> = { mp4: "video", webm: "video", gif: "video", png: "picture", wav: "voice", captions: "captions" };

export const fileKindOf = (format: Format): FileKind => KINDS[format];
/** Ending of the file. */
export const endingOf = ({ format, captions }: ExportChoice): string => (format === "captions" ? captions.type : format);
export const filterOf = (ending: string): FileFilter => ({ name: ending.toUpperCase(), extensions: [ending] });

/** How ready the clips of a span are. */
export interface Readiness {
  readonly clips: number;
  /** With nothing on disk to show. */
  readonly missing: number;
  /** Numbers of those with something older on disk, from 1 on, in order. */
  readonly stale: readonly number[];
  /** Of the stale and the missing ones: waiting or rendering. */
  readonly underWay: number;
  /** What changed since the stale ones were rendered. */
  readonly reasons: readonly Exclude<StaleReason["kind"], "earlierClip">[];
}

export function readinessOf({ cells }: OutputLane, span: Span): Readiness {
  const stale: number[] = [];
  const reasons = new Set<Exclude<StaleReason["kind"], "earlierClip">>();
  let [clips, missing, underWay] = [0, 0, 0];
  cells.forEach(({ startFrame, frames, state }, index) => {
    if (startFrame >= span.end || startFrame + frames <= span.start) return;
    clips += 1;
    if (state.kind === "fresh") return;
    if (state.contentHash === null) missing += 1;
    else stale.push(index + 1);
    if (state.kind === "queued" || state.kind === "rendering") underWay += 1;
    // A clip that only follows a changed one has no reason of its own.
    if (state.kind === "stale") for (const { kind } of state.reasons) if (kind !== "earlierClip") reasons.add(kind);
  });
  return { clips, missing, stale, underWay, reasons: [...reasons] };
}

/** Numbers as people list them: `2, 4–7, 9`. */
export function listed(numbers: readonly number[]): string {
  const parts: string[] = [];
  let first = numbers[0];
  numbers.forEach((number, index) => {
    if (numbers[index + 1] === number + 1) return;
    parts.push(first === number ? String(number) : `${String(first)}–${String(number)}`);
    first = numbers[index + 1];
  });
  return parts.join(", ");
}
