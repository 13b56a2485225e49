import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A hash of each decoded picture of a take's folder, by ffmpeg: what a viewer would see. */
export function decodedFrames(takeFolder: string): string[] {
  const names = readdirSync(takeFolder).filter((name) => /^clip_\d+\.m4s$/.test(name)).sort();
  const input = Buffer.concat(["init.mp4", ...names].map((name) => readFileSync(join(takeFolder, name))));
  const run = spawnSync("ffmpeg", ["-v", "error", "-f", "mov", "-i", "pipe:0", "-map", "0:v", "-f", "framemd5", "-"], { input, encoding: "utf8", maxBuffer: 1e8 });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(",").at(-1)?.trim() ?? "");
}

/** What ffprobe says about the streams of a file. */
export function probeStreams(path: string): { codec_type: string; codec_name: string; width?: number; nb_read_frames?: string; duration?: string; sample_rate?: string }[] {
  const run = spawnSync("ffprobe", ["-v", "error", "-count_frames", "-show_streams", "-of", "json", path], { encoding: "utf8", maxBuffer: 1e8 });
  if (run.status !== 0) throw new Error(run.stderr);
  return (JSON.parse(run.stdout) as { streams: ReturnType<typeof probeStreams> }).streams;
}
