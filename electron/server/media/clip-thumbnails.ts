import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { FaultError } from "../common/fault-error.ts";
import { makeCached } from "./cached-file.ts";
import { type Ffmpeg, ffmpegFault } from "./ffmpeg.ts";
import type { SharedWork } from "./shared-work.ts";

/** Height of a clip's thumbnail in pixels; see `clipThumbnailAddress` of the contract. */
export const THUMBNAIL_HEIGHT = 90;

const UNREADABLE = ["CLIP_UNREADABLE", "This clip cannot be shown.", "Render it again."] as const;

/** A finished clip as files of the disk. */
export interface ClipFiles {
  readonly initPath: string;
  readonly clipPath: string;
  readonly contentHash: string;
}

/** Path of a JPEG of one of a clip's frames; made now if it is not in `cacheFolder`. Throws CLIP_UNREADABLE, also where there is no such frame, or the signal's reason. */
export async function cachedThumbnail(tools: { readonly ffmpeg: Ffmpeg; readonly work: SharedWork }, clip: ClipFiles, frame: number, cacheFolder: string, signal?: AbortSignal): Promise<string> {
  // Hashes of the engine are hexadecimal; anything else must not become a path.
  const name = clip.contentHash.replaceAll(/[^0-9a-zA-Z_-]/g, "_");
  const file = frame === 0 ? `${name}.jpg` : `${name}-${String(frame)}.jpg`;
  return makeCached(tools.work, join(cacheFolder, "thumbnails", file), signal, async (temporary, going) => {
    const args = ["-f", "mov", "-i", "pipe:0", "-map", "0:v:0", "-vf", `select=eq(n\\,${String(frame)}),scale=-2:${String(THUMBNAIL_HEIGHT)}:flags=area,format=yuvj420p`, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "-y", `file:${temporary}`];
    await tools.ffmpeg.run(args, { signal: going, input: bytesOf(clip) }).catch((error: unknown) => {
      throw ffmpegFault(error, ...UNREADABLE);
    });
    // Of a frame that is not there comes nothing, and no word.
    if ((await stat(temporary)).size === 0) {
      const [code, what, hint] = UNREADABLE;
      throw new FaultError({ code, what, why: `It has no frame ${String(frame)}.`, hint });
    }
  });
}

async function* bytesOf(clip: ClipFiles): AsyncGenerator<Buffer, void, undefined> {
  for (const path of [clip.initPath, clip.clipPath]) for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}
