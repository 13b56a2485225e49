import { join } from "node:path";
import { GIGABYTE } from "../../contract/byte-size.ts";
import type { Logger } from "../common/logger.ts";
import { cachedThumbnail, type ClipFiles } from "./clip-thumbnails.ts";
import type { ExportTools } from "./exporter.ts";
import { createFfmpeg, type Ffmpeg } from "./ffmpeg.ts";
import type { MediaFacts } from "./media-facts.ts";
import { findPeaks, type Peaks, peakSink, type PeakSource } from "./peaks.ts";
import { cachedPicture, type PictureHeight, type PictureSource } from "./pictures.ts";
import { probeMedia } from "./probe.ts";
import { projectCache } from "./project-cache.ts";
import { createRecentPeaks } from "./recent-peaks.ts";
import { createSharedWork } from "./shared-work.ts";
import { createSoundStore } from "./sound-store.ts";

/** Everything that needs ffmpeg. `ffmpeg` and `sounds` are what the mixer and the exporter work with. */
export interface Media extends ExportTools {
  readonly ffmpeg: Ffmpeg;
  /** Describes a file; see {@link probeMedia}. The peaks found on the way are kept for {@link Media.peaks}. */
  readonly probe: (path: string, signal?: AbortSignal) => Promise<MediaFacts>;
  /** Path of a JPEG of a picture. */
  readonly picture: (projectFolder: string, source: PictureSource, height: PictureHeight, signal?: AbortSignal) => Promise<string>;
  readonly peaks: (projectFolder: string, source: PeakSource, level: number, signal?: AbortSignal) => Promise<Peaks>;
  /** Path of a JPEG of a frame of a clip. */
  readonly thumbnail: (projectFolder: string, clip: ClipFiles, frame: number, signal?: AbortSignal) => Promise<string>;
}

export interface MediaDependencies {
  /** Finds the ffmpeg program; see `findFfmpeg`. */
  readonly locateFfmpeg: () => Promise<string>;
  /** Of the program, for what no project has room for. */
  readonly cacheFolder: string;
  readonly logger: Logger;
}

/** Programs at once, besides one that mixes or exports: on two cores more would only wait for each other. */
const CONCURRENCY = 2;
/** Some seven hours of stereo. */
const MOST_SOUND_BYTES = 10 * GIGABYTE;

/** The returned function stops what runs. */
export function createMedia({ locateFfmpeg, cacheFolder, logger }: MediaDependencies): readonly [Media, () => Promise<void>] {
  const ffmpeg = createFfmpeg({ locate: locateFfmpeg, logger });
  const work = createSharedWork(CONCURRENCY);
  const recent = createRecentPeaks();
  const drafted = new Set<string>();
  const sounds = createSoundStore({ ffmpeg, folder: join(cacheFolder, "sound"), maximumBytes: MOST_SOUND_BYTES, logger });
  const cacheOf = (projectFolder: string): Promise<string> => projectCache(projectFolder, cacheFolder);
  const media: Media = {
    ffmpeg,
    sounds,
    probe: async (path, signal) => {
      const { sink, levels } = peakSink();
      const facts = await probeMedia(ffmpeg, path, { signal, sink });
      const found = levels();
      if (found !== null) await recent.keep(path, found);
      return facts;
    },
    picture: async (projectFolder, source, height, signal) => cachedPicture({ ffmpeg, work }, source, height, await cacheOf(projectFolder), signal),
    peaks: async (projectFolder, source, level, signal) => findPeaks({ ffmpeg, work, recent, drafted }, source, level, await cacheOf(projectFolder), signal),
    thumbnail: async (projectFolder, clip, frame, signal) => cachedThumbnail({ ffmpeg, work }, clip, frame, await cacheOf(projectFolder), signal),
  };
  const close = async (): Promise<void> => {
    await Promise.all([work.close(), sounds.close()]);
  };
  return [media, close] as const;
}
