import { createReadStream } from "node:fs";
import { join } from "node:path";
import { makeCached } from "./cached-file.ts";
import { type Ffmpeg, ffmpegFault } from "./ffmpeg.ts";
import type { SharedWork } from "./shared-work.ts";

/** Height of a clip's thumbnail in pixels; see `clipThumbnailAddress` of the contract. */
export const THUMBNAIL_HEIGHT = 90;

/** A finished clip as files of the disk. */
export interface ClipFiles {
  readonly initPath: string;
  readonly clipPath: string;
  readonly contentHash: string;
}

/** Path of a JPEG of a clip's first picture; made now if it is not in `cacheFolder`. Throws CLIP_UNREADABLE, or the signal's reason. */
export async function cachedThumbnail(tools: { readonly ffmpeg: Ffmpeg; readonly work: SharedWork }, clip: ClipFiles, cacheFolder: string, signal?: AbortSignal): Promise<string> {
  // Hashes of the engine are hexadecimal; anything else must not become a path.
  const name = clip.contentHash.replaceAll(/[^0-9a-zA-Z_-]/g, "_");
  return makeCached(tools.work, join(cacheFolder, "thumbnails", `${name}.jpg`), signal, async (temporary, going) => {
    const args = ["-f", "mov", "-i", "pipe:0", "-map", "0:v:0", "-vf", `scale=-2:${String(THUMBNAIL_HEIGHT)}:flags=area,format=yuvj420p`, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "-y", `file:${temporary}`];
    await tools.ffmpeg.run(args, { signal: going, input: bytesOf(clip) }).catch((error: unknown) => {
      throw ffmpegFault(error, "CLIP_UNREADABLE", "This clip cannot be shown.", "Render it again.");
    });
  });
}

async function* bytesOf(clip: ClipFiles): AsyncGenerator<Buffer, void, undefined> {
  for (const path of [clip.initPath, clip.clipPath]) for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}
