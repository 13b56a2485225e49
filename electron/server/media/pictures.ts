import { join } from "node:path";
import { FaultError } from "../common/fault-error.ts";
import { makeCached } from "./cached-file.ts";
import { type Ffmpeg, ffmpegFault } from "./ffmpeg.ts";
import { pictureInput } from "./ffmpeg-input.ts";
import { type PictureHeader, readPictureHeader, uprightSize } from "./picture-header.ts";
import type { SharedWork } from "./shared-work.ts";

/** Heights that pictures are served at; see `pictureAddress` of the contract. */
export const PICTURE_HEIGHTS = [120, 360, 1080] as const;
export type PictureHeight = (typeof PICTURE_HEIGHTS)[number];

/** What stands behind transparent parts; the engine fills them with the same grey. */
const BACKGROUND = "0x808080";
/** JPEG knows no more, and no screen shows it. */
const LARGEST_WIDTH = 8_192;
const QUALITY = "3";

/** A picture of a project as a file of the disk. */
export interface PictureSource {
  readonly path: string;
  readonly sha256: string;
}

/**
 * Path of a JPEG of the picture, upright and at most `height` pixels high; made now if it is not in `cacheFolder`.
 * Throws PICTURE_UNREADABLE.
 */
export async function cachedPicture(tools: { readonly ffmpeg: Ffmpeg; readonly work: SharedWork }, source: PictureSource, height: PictureHeight, cacheFolder: string, signal?: AbortSignal): Promise<string> {
  const target = join(cacheFolder, "pictures", `${source.sha256}.${String(height)}.jpg`);
  return makeCached(tools.work, target, signal, async (temporary, going) => {
    const header = await readPictureHeader(source.path);
    if (header === null) throw unreadable();
    await tools.ffmpeg
      .run([...pictureInput(source.path, header), ...scaled(header, height), "-frames:v", "1", "-map_metadata", "-1", "-c:v", "mjpeg", "-q:v", QUALITY, "-f", "image2pipe", "-y", `file:${temporary}`], { signal: going })
      .catch((error: unknown) => {
        throw ffmpegFault(error, "PICTURE_UNREADABLE", "This picture cannot be shown.", "Open it in another program, save it as PNG, and import it again.");
      });
  });
}

/** Size of a picture that is at most `height` high, at least one pixel each way. */
export function fittedSize(size: { readonly width: number; readonly height: number }, height: number): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, height / size.height, LARGEST_WIDTH / size.width);
  return { width: Math.max(1, Math.round(size.width * scale)), height: Math.max(1, Math.round(size.height * scale)) };
}

function scaled(header: PictureHeader, height: number): string[] {
  const size = fittedSize(uprightSize(header), height);
  const fit = [...turning(header.orientation), `scale=${String(size.width)}:${String(size.height)}:flags=lanczos+accurate_rnd+full_chroma_int`];
  // Side data would tell the encoder to note the old orientation in the new file.
  const end = "sidedata=mode=delete,format=yuvj420p";
  if (!header.transparent) return ["-vf", [...fit, end].join(",")];
  const picture = `[0:v]${[...fit, "format=gbrap"].join(",")}[picture]`;
  const background = `color=c=${BACKGROUND}:s=${String(size.width)}x${String(size.height)},format=gbrp[background]`;
  return ["-filter_complex", `${picture};${background};[background][picture]overlay=format=gbrp:shortest=1,${end}[out]`, "-map", "[out]"];
}

/** Filters that turn a stored picture upright (EXIF 2.32, tag 0x0112). */
function turning(orientation: number): string[] {
  switch (orientation) {
    case 2:
      return ["hflip"];
    case 3:
      return ["hflip", "vflip"];
    case 4:
      return ["vflip"];
    case 5:
      return ["transpose=cclock_flip"];
    case 6:
      return ["transpose=clock"];
    case 7:
      return ["transpose=clock_flip"];
    case 8:
      return ["transpose=cclock"];
    default:
      return [];
  }
}

function unreadable(): FaultError {
  return new FaultError({ code: "PICTURE_UNREADABLE", what: "This picture cannot be shown.", why: "The file is not a JPEG, PNG or WebP picture any more.", hint: "Import the picture again." });
}
