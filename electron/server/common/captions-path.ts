import { extname } from "node:path";

/** Where the captions of a video are looked for: players take the SRT file of the same name. */
export function captionsPathOf(videoPath: string): string {
  return `${videoPath.slice(0, videoPath.length - extname(videoPath).length)}.srt`;
}
