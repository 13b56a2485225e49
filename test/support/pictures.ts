import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../../build/setup/programs.mjs";

/** Pictures are compared small: what a viewer sees at a glance, without the noise of encoders. */
export const SMALL = { width: 96, height: 64 } as const;

/** RGB values of a picture of the size of {@link SMALL}. */
export type SmallPicture = Uint8Array | Int16Array;

/** All pictures of a video, decoded by the system's ffmpeg, in order. `input` is a path or the bytes. */
export function decodePictures(input: string | Buffer): SmallPicture[] {
  const { width, height } = SMALL;
  const bytes = runFfmpeg(["-i", typeof input === "string" ? input : "pipe:0", "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", `scale=${String(width)}:${String(height)}`, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"], input);
  const size = width * height * 3;
  return Array.from({ length: bytes.length / size }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

/** The pictures of a rendered take, from the clips in its folder. */
export function picturesOfTake(takeFolder: string): SmallPicture[] {
  const clips = readdirSync(takeFolder).filter((name) => /^clip_\d+\.m4s$/.test(name)).sort();
  return decodePictures(Buffer.concat(["init.mp4", ...clips].map((name) => readFileSync(join(takeFolder, name)))));
}

/** Mean difference of two pictures, 0 (equal) to 255. */
export function difference(one: SmallPicture, other: SmallPicture): number {
  if (one.length !== other.length) throw new Error("Pictures of two sizes");
  let sum = 0;
  for (const [index, value] of one.entries()) sum += Math.abs(value - (other[index] ?? 0));
  return sum / one.length;
}

/** Mean of all channels, 0 (black) to 255. */
export function brightness(picture: SmallPicture): number {
  let sum = 0;
  for (const value of picture) sum += value;
  return sum / picture.length;
}

/** What has changed since another picture: free of what two decoders always see differently. */
export function changeSince(first: SmallPicture, picture: SmallPicture): Int16Array {
  return Int16Array.from(picture, (value, index) => value - (first[index] ?? 0));
}

/** Which of the pictures is most like this one. */
export function indexOfNearest(picture: SmallPicture, among: readonly SmallPicture[]): number {
  const differences = among.map((one) => difference(picture, one));
  return differences.indexOf(Math.min(...differences));
}

/** Pictures that cannot be mistaken for their neighbours, the most distinct first. */
export function distinctPictures(pictures: readonly SmallPicture[]): number[] {
  const distance = (index: number): number => {
    const own = pictures[index];
    const neighbours = [pictures[index - 1], pictures[index + 1]].filter((one) => one !== undefined);
    return own === undefined ? 0 : Math.min(...neighbours.map((one) => difference(own, one)));
  };
  return pictures.map((_, index) => index).sort((one, other) => distance(other) - distance(one));
}

/** A WAV file with the first seconds of a recording. */
export function beginningOf(recording: string, seconds: number): Buffer {
  return runFfmpeg(["-i", recording, "-t", String(seconds), "-f", "wav", "pipe:1"], recording);
}

function runFfmpeg(args: readonly string[], input: string | Buffer): Buffer {
  const ffmpeg = findProgram("ffmpeg");
  if (ffmpeg === null) throw new Error("ffmpeg is missing: `npm test` installs it.");
  const run = spawnSync(ffmpeg, ["-v", "error", "-nostdin", ...args], { maxBuffer: 1e9, ...(typeof input === "string" ? {} : { input }) });
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return run.stdout;
}

export interface ProbedStream {
  readonly codec_type: "video" | "audio";
  readonly codec_name: string;
  readonly width?: number;
  readonly height?: number;
  readonly avg_frame_rate: string;
  readonly nb_read_frames: string;
  readonly duration?: string;
  readonly duration_ts?: number;
  readonly sample_rate?: string;
  readonly channels?: number;
}

/** What the system's ffprobe says about a file's streams; frames are counted by decoding them. */
export function probeStreams(path: string): readonly ProbedStream[] {
  const ffprobe = findProgram("ffprobe");
  if (ffprobe === null) throw new Error("ffprobe is missing: `npm test` installs it.");
  const run = spawnSync(ffprobe, ["-v", "error", "-count_frames", "-show_streams", "-of", "json", path], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return (JSON.parse(run.stdout) as { streams: ProbedStream[] }).streams;
}
