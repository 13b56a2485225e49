import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { cleanEnvironment } from "../common/child-process.ts";
import { silentLogger } from "../common/logger.ts";
import { createFfmpeg, type Ffmpeg } from "./ffmpeg.ts";
import { findFfmpeg } from "./find-ffmpeg.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const runtimePython = join(root, ".runtime", "bin", "python3");

/** The product's ffmpeg. */
export const testFfmpeg: Ffmpeg = createFfmpeg({ locate: () => findFfmpeg(process.env, () => Promise.resolve(runtimePython)), logger: silentLogger });

/** A new folder, removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-media-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a file with ffmpeg. */
export async function make(path: string, ...args: string[]): Promise<string> {
  await testFfmpeg.run([...args, "-y", path]);
  return path;
}

/** Runs Python of the runtime, whose Pillow and PyAV are implementations that ours are held against. */
export function python(code: string, ...args: string[]): string {
  return execFileSync(runtimePython, ["-I", "-c", code, ...args], { encoding: "utf8", env: cleanEnvironment(process.env) });
}

interface ProbedStream {
  readonly codec_type: string;
  readonly codec_name: string;
  readonly width?: number;
  readonly height?: number;
  readonly duration?: string;
  readonly sample_rate?: string;
  readonly channels?: number;
  readonly avg_frame_rate?: string;
  readonly nb_read_frames?: string;
  readonly start_time?: string;
}

/** What ffprobe, a program of its own, says about a file; pictures are counted by decoding them. */
export function ffprobe(path: string): { readonly streams: readonly ProbedStream[]; readonly format: { readonly duration: string; readonly format_name: string } } {
  const searched = `${process.env.PATH ?? ""}${delimiter}${join(root, ".runtime", "system", "bin")}`;
  const text = execFileSync("ffprobe", ["-v", "error", "-of", "json", "-count_frames", "-show_streams", "-show_format", path], { encoding: "utf8", env: { ...process.env, PATH: searched }, maxBuffer: 1e8 });
  return JSON.parse(text) as ReturnType<typeof ffprobe>;
}

/** Decodes a file to interleaved floats at its own rate, by the test's own call of ffmpeg. */
export async function decoded(path: string, ...options: string[]): Promise<Float32Array> {
  const { path: program } = await testFfmpeg.about();
  const bytes = execFileSync(program, ["-v", "error", "-i", path, ...options, "-f", "f32le", "-"], { maxBuffer: 1e9 });
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** A 32-bit float WAV file (or what the name says) of interleaved samples. */
export async function recording(path: string, samples: Float32Array, rate: number, channels: number, ...options: string[]): Promise<string> {
  const raw = `${path}.raw`;
  writeFileSync(raw, new Uint8Array(samples.buffer));
  return make(path, "-f", "f32le", "-ar", String(rate), "-ac", String(channels), "-i", raw, ...(path.endsWith(".wav") ? ["-c:a", "pcm_f32le"] : []), ...options);
}

/** `frames` samples of a function of the sample's number, on each of the channels. */
export function samplesOfFunction(frames: number, channels: number, value: (frame: number, channel: number) => number): Float32Array {
  return Float32Array.from({ length: frames * channels }, (_, index) => value(Math.floor(index / channels), index % channels));
}

/** Root of the mean square. */
export function level(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}
