import type { ExportRequest } from "../../../../electron/contract/jobs.schema.ts";
import type { FileKind, FileFilter } from "../../../../electron/contract/shell.ts";

export const FORMATS = ["mp4", "webm", "gif", "png", "wav", "srt"] as const;
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
}

/** Longer excerpts are not what these formats are for; a GIF of a minute is hundreds of megabytes. */
export const LONGEST_EXCERPT_FRAMES = { webm: 25 * 60 * 10, gif: 25 * 30 } as const;

export type RequestProblem = "empty" | "excerptTooLong";

/** What is asked of the server for a choice, or why it cannot be. `range` are the in and out points, `playhead` the frame of a still. */
export function requestOf(choice: ExportChoice, frames: number, range: Span | null, playhead: number): { readonly request: ExportRequest } | { readonly problem: RequestProblem } {
  const { format, onlyRange, width } = choice;
  const whole: Span = { start: 0, end: frames };
  const wanted = onlyRange && range !== null ? { start: range.start, end: Math.min(range.end, frames) } : whole;
  if (format !== "srt" && wanted.end <= wanted.start) return { problem: "empty" };
  switch (format) {
    case "mp4":
    case "wav":
      return { request: { format, range: onlyRange && range !== null ? wanted : null } };
    case "webm":
    case "gif":
      return wanted.end - wanted.start > LONGEST_EXCERPT_FRAMES[format] ? { problem: "excerptTooLong" } : { request: { format, range: wanted, width } };
    case "png":
      return { request: { format, frame: Math.min(playhead, frames - 1) } };
    case "srt":
      return { request: { format } };
  }
}

const KINDS: Readonly<Record<Format, FileKind>> = { mp4: "video", webm: "video", gif: "video", png: "picture", wav: "voice", srt: "captions" };

export const fileKindOf = (format: Format): FileKind => KINDS[format];
export const filterOf = (format: Format): FileFilter => ({ name: format.toUpperCase(), extensions: [format] });
