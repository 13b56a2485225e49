import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { PictureTake } from "./export-pictures.ts";
import { make, python, testFfmpeg } from "./media-test-support.ts";

/** Clips exactly as the engine writes them. Each picture tells its number: the left half counts ones, the right half forties. */
const WRITE_CLIPS = `
import sys
from pathlib import Path
import numpy as np
from live_avatar.media.segments import SegmentWriter, VideoCodecSettings
folder, sound, width, height, first, frames, infer, preset = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:8]), sys.argv[8]
def picture(number):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = 20 + 5 * (number % 40)
    image[:, width // 2 :] = 20 + 5 * (number // 40)
    return image
with SegmentWriter(folder, width, height, sound, VideoCodecSettings(preset=preset)) as writer:
    for index, start in enumerate(range(0, frames, infer)):
        count = min(infer, frames - start)
        writer.write_clip(index, start, [picture(first + start + offset) for offset in range(count)])
`;

interface TakeRecipe {
  readonly start: number;
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
  readonly inferFrames?: number;
  readonly preset?: string;
}

/** A rendered take whose pictures carry the numbers of their frames on the timeline. */
export async function renderedTake(folder: string, { start, frames, width = 96, height = 64, inferFrames = 48, preset = "veryfast" }: TakeRecipe): Promise<PictureTake> {
  const sound = await make(join(folder, `sound-${String(start)}.m4a`), "-f", "lavfi", "-i", `anullsrc=r=48000:cl=stereo:d=${String(frames / 25)}`, "-c:a", "aac");
  const takeFolder = join(folder, `take-${String(start)}`);
  python(WRITE_CLIPS, takeFolder, sound, ...[width, height, start, frames, inferFrames].map(String), preset);
  const clips = Array.from({ length: Math.ceil(frames / inferFrames) }, (_, index) => ({ path: join(takeFolder, `clip_${String(index).padStart(5, "0")}.m4s`), frames: Math.min(inferFrames, frames - index * inferFrames) }));
  return { start, frames, width, height, initPath: join(takeFolder, "init.mp4"), clips };
}

/** Numbers of the frames that a video shows, in order. */
export async function shownFrames(path: string, columns = 16): Promise<number[]> {
  const { path: program } = await testFfmpeg.about();
  const bytes = execFileSync(program, ["-v", "error", "-i", path, "-map", "0:v:0", "-vf", `scale=${String(columns)}:1:flags=area`, "-pix_fmt", "gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-"], { maxBuffer: 1e8 });
  const digit = (value: number | undefined): number => Math.max(0, Math.round(((value ?? 0) - 20) / 5));
  return Array.from({ length: bytes.length / columns }, (_, frame) => digit(bytes[frame * columns + 5]) + 40 * digit(bytes[frame * columns + 10]));
}
