import { readFile } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { FRAMES_PER_SECOND, timecode } from "../../contract/time.ts";
import { FaultError } from "../common/fault-error.ts";
import type { Ffmpeg } from "./ffmpeg.ts";

/** Finished clips of one take: fragments that follow `init.mp4`, without a hole from the take's start on. */
export interface PictureTake {
  /** First frame on the timeline, and how many of them are shown. */
  readonly start: number;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly initPath: string;
  readonly clips: readonly { readonly path: string; readonly frames: number }[];
}

/** Frames on the timeline, `end` the first one after it. */
export interface FrameRange {
  readonly start: number;
  readonly end: number;
}

/** Clips of one take that follow each other. Only the first stretch of a plan can begin within a clip. */
export interface PictureStretch {
  readonly initPath: string;
  readonly clipPaths: readonly string[];
  /** Frames of the first clip that are not shown. */
  readonly skip: number;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
}

/** The clips that show `range`. Throws EXPORT_PICTURES_MISSING, naming the first moment that has none. */
export function planPictures(takes: readonly PictureTake[], range: FrameRange): readonly PictureStretch[] {
  const stretches: PictureStretch[] = [];
  let frame = range.start;
  while (frame < range.end) {
    const stretch = stretchAt(takes, frame, range.end);
    if (stretch === null) {
      throw new FaultError({ code: "EXPORT_PICTURES_MISSING", what: "Not everything is rendered yet.", why: `There is no finished picture at ${timecode(frame)}.`, hint: "Render what is missing, then export again, or choose a range that is finished." });
    }
    stretches.push(stretch);
    frame += stretch.frames;
  }
  return stretches;
}

function stretchAt(takes: readonly PictureTake[], frame: number, end: number): PictureStretch | null {
  const take = takes.find((one) => frame >= one.start && frame < one.start + one.frames);
  if (take === undefined) return null;
  const { initPath, width, height } = take;
  const wantedEnd = Math.min(end, take.start + take.frames);
  const clipPaths: string[] = [];
  let clipStart = take.start;
  let skip = 0;
  for (const clip of take.clips) {
    const clipEnd = clipStart + clip.frames;
    if (clipEnd > frame && clipStart < wantedEnd) {
      if (clipPaths.length === 0) skip = frame - clipStart;
      clipPaths.push(clip.path);
    }
    clipStart = clipEnd;
  }
  const frames = Math.min(wantedEnd, clipStart) - frame;
  return frames <= 0 ? null : { initPath, clipPaths, skip, frames, width, height };
}

/** Why the pictures cannot be copied as they are, in words for the progress line; null when they can. */
export async function whyEncodeAnew(stretches: readonly PictureStretch[]): Promise<string | null> {
  if (stretches.some((stretch) => stretch.skip > 0)) return "the range begins within a clip";
  const [first] = stretches;
  if (stretches.some((stretch) => stretch.width !== first?.width || stretch.height !== first.height)) return "the portraits have different picture sizes";
  const settings = new Set<string>();
  for (const initPath of new Set(stretches.map((stretch) => stretch.initPath))) settings.add(decoderSettings(await readFile(initPath)));
  return settings.size > 1 ? "the clips were made with different encoder settings" : null;
}

/** The decoder configuration of H.264 (ISO 14496-15) as text that can be compared. */
function decoderSettings(init: Buffer): string {
  const name = init.indexOf("avcC", 0, "latin1");
  if (name < 4) return init.toString("base64");
  return init.subarray(name, name - 4 + init.readUInt32BE(name - 4)).toString("base64");
}

/**
 * The clips as one H.264 byte stream, taken out of their containers without decoding: `skip + frames` pictures of each stretch.
 * Errors of reading come out of the stream.
 */
export function openPictures(ffmpeg: Ffmpeg, stretches: readonly PictureStretch[], signal: AbortSignal | undefined): PassThrough {
  const joined = new PassThrough({ highWaterMark: 1 << 20 });
  const feed = async (): Promise<void> => {
    for (const stretch of stretches) {
      const args = ["-f", "mov", "-i", "pipe:0", "-map", "0:v:0", "-c:v", "copy", "-bsf:v", "h264_mp4toannexb", "-frames:v", String(stretch.skip + stretch.frames), "-f", "h264", "pipe:1"];
      await ffmpeg.run(args, { signal, input: bytesOf([stretch.initPath, ...stretch.clipPaths]), output: (stdout) => pipeline(stdout, joined, { end: false }) });
    }
  };
  feed().then(
    () => joined.end(),
    (error: unknown) => joined.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return joined;
}

async function* bytesOf(paths: readonly string[]): AsyncGenerator<Buffer, void, undefined> {
  for (const path of paths) for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}

/** Arguments that open what {@link openPictures} gives on standard input. A bare stream has no times: the rate gives them. */
export const PICTURES_ON_STDIN = ["-f", "h264", "-framerate", String(FRAMES_PER_SECOND), "-i", "pipe:0"] as const;

/** Filters that show all stretches in the size of the first, black where the shape differs, from the first wanted picture on. */
export function filtersInto(stretches: readonly PictureStretch[], size: { readonly width: number; readonly height: number }): string[] {
  const skip = stretches[0]?.skip ?? 0;
  const [width, height] = [String(size.width), String(size.height)];
  return [
    ...(skip > 0 ? [`trim=start_frame=${String(skip)}`, "setpts=PTS-STARTPTS"] : []),
    `scale=${width}:${height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos`,
    `pad=${width}:${height}:-1:-1:color=black`,
    "setsar=1",
  ];
}
