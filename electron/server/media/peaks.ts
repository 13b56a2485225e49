import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PEAK_LEVELS, PEAK_SAMPLE_RATE } from "../../contract/peaks.ts";
import { writeFileAtomically } from "../common/atomic-file.ts";
import { exists } from "./cached-file.ts";
import { type Ffmpeg, FfmpegFailure } from "./ffmpeg.ts";
import { soundInput } from "./ffmpeg-input.ts";
import { mergePairs, pairsOfLevel, PeakCollector } from "./peak-levels.ts";
import type { RecentPeaks } from "./recent-peaks.ts";
import type { SharedWork } from "./shared-work.ts";
import { FrameCutter, passThroughSound, type SoundSink } from "./sound-pass.ts";

/** A recording of a project, as imported. */
export interface PeakSource {
  readonly path: string;
  readonly sha256: string;
  readonly samples: number;
  readonly sampleRate: number;
}

export interface PeakTools {
  readonly ffmpeg: Ffmpeg;
  readonly work: SharedWork;
  readonly recent: RecentPeaks;
  /** Paths of peaks of which a draft was answered. */
  readonly drafted: Set<string>;
}

/** Exact peaks in a file, or a draft of the coarsest level while the exact ones are still being computed. */
export type Peaks = { readonly kind: "exact"; readonly path: string } | { readonly kind: "draft"; readonly bytes: Uint8Array };

/** A sink that makes the peaks of a recording while it is decoded for another reason; `levels` afterwards is null when nothing came. */
export function peakSink(): { readonly sink: SoundSink; readonly levels: () => readonly Int8Array[] | null } {
  let collector: PeakCollector | null = null;
  return {
    sink: {
      begin: ({ sampleRate, channels }) => (collector = new PeakCollector(sampleRate, channels)),
      add: (samples) => collector?.add(samples),
    },
    levels: () => collector?.finish() ?? null,
  };
}

/** Shorter recordings are decoded in a moment. */
const DRAFT_FROM_SECONDS = 600;
const COARSEST = 4 satisfies keyof typeof PEAK_LEVELS;

/**
 * The peaks of one level; what is not in the cache is computed, all levels in one pass over the recording. An hour of MP3 takes some
 * seconds: the coarsest level, which shows it whole, is first answered with a draft from a small part of the sound.
 * Throws FfmpegFailure, errors of the system, or the signal's reason.
 */
export async function findPeaks(tools: PeakTools, source: PeakSource, level: number, cacheFolder: string, signal?: AbortSignal): Promise<Peaks> {
  if (PEAK_LEVELS[level] === undefined) throw new RangeError("There is no such level");
  const path = peaksPath(cacheFolder, source.sha256, level);
  if (await exists(path)) return { kind: "exact", path };
  const long = source.samples / source.sampleRate >= DRAFT_FROM_SECONDS;
  if (level === COARSEST && long && !tools.drafted.has(path) && (await tools.recent.find(source.path)) === null) {
    const bytes = await tools.work.share(`${path} draft`, signal, (going) => draftPeaks(tools.ffmpeg, source, going)).catch(nullForFailure);
    // Who comes back with the draft in hand waits for the exact ones.
    tools.drafted.add(path);
    // Begun only now: at the same time, on two cores, the draft would come as late as the rest.
    makePeaks(tools, source, cacheFolder, undefined).catch(() => undefined);
    if (bytes !== null) return { kind: "draft", bytes };
  }
  await makePeaks(tools, source, cacheFolder, signal);
  return { kind: "exact", path };
}

/** Some files lose everything with a part of their packets; the exact peaks are then waited for. */
function nullForFailure(error: unknown): null {
  if (error instanceof FfmpegFailure) return null;
  throw error;
}

function peaksPath(cacheFolder: string, sha256: string, level: number): string {
  return join(cacheFolder, "peaks", `${sha256}.${String(level)}`);
}

async function makePeaks(tools: PeakTools, source: PeakSource, cacheFolder: string, signal: AbortSignal | undefined): Promise<void> {
  await tools.work.share(peaksPath(cacheFolder, source.sha256, 0), signal, async (going) => {
    let levels = await tools.recent.find(source.path);
    if (levels === null) {
      const peaks = peakSink();
      await passThroughSound(tools.ffmpeg, source.path, peaks.sink, going);
      levels = peaks.levels() ?? [];
    }
    await mkdir(join(cacheFolder, "peaks"), { recursive: true });
    for (const [level, pairs] of levels.entries()) await writeFileAtomically(peaksPath(cacheFolder, source.sha256, level), new Uint8Array(pairs.buffer, pairs.byteOffset, pairs.length));
  });
}

/** Of so many pairs of the coarsest level, one is read: an hour still has more than screens have columns. */
const PAIRS_PER_READING = 3;
/** Packets that begin in the first part of each reading are decoded. They end within the room that a reading gets. */
const READ_SECONDS = 0.14;
const ROOM_SECONDS = 0.32;
/** The part of that room that counts: before it decoders lack the packets that were not read. */
const COUNTED_SECONDS = { from: 0.08, to: 0.3 } as const;

/** The coarsest level from a part of the packets. Where none was read, the neighbour before stands in. */
export async function draftPeaks(ffmpeg: Ffmpeg, source: PeakSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const collector = new PeakCollector(PEAK_SAMPLE_RATE, 1);
  const cutter = new FrameCutter(1);
  const every = String((PAIRS_PER_READING * PEAK_LEVELS[COARSEST]) / PEAK_SAMPLE_RATE);
  const drop = ["-bsf:a", `noise=drop='gt(mod(pts*tb,${every}),${String(READ_SECONDS)})'`];
  // What was read moves together, each reading to its own room; what is left of the gaps becomes silence. All of it would cost more than decoding.
  const together = `asetpts='(floor(T/${every})*${String(ROOM_SECONDS)}+mod(T,${every}))/TB',aresample=${String(PEAK_SAMPLE_RATE)}:async=1:first_pts=0`;
  const args = [...drop, ...soundInput(source.path), "-map", "0:a:0", "-af", together, "-ac", "1", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"];
  await ffmpeg.run(args, {
    signal,
    output: async (stdout) => {
      for await (const chunk of stdout) collector.add(cutter.cut(chunk));
    },
  });
  const finest = collector.finish()[0] ?? new Int8Array(0);
  const placeAt = (seconds: number): number => 2 * Math.round((seconds * PEAK_SAMPLE_RATE) / PEAK_LEVELS[0]);
  const pairs = new Int8Array(2 * pairsOfLevel(source.samples, source.sampleRate, COARSEST));
  for (let pair = 0; 2 * pair < pairs.length; pair += PAIRS_PER_READING) {
    const room = (pair / PAIRS_PER_READING) * ROOM_SECONDS;
    const part = finest.subarray(placeAt(room + COUNTED_SECONDS.from), placeAt(room + COUNTED_SECONDS.to));
    const [minimum, maximum] = mergePairs(part, Math.max(1, part.length / 2));
    // Packets may be so long that a reading got none.
    const read = minimum !== undefined && (minimum !== 0 || maximum !== 0);
    const low = (read ? minimum : pairs[2 * pair - 2]) ?? 0;
    const high = (read ? maximum : pairs[2 * pair - 1]) ?? 0;
    for (let copy = pair; copy < pair + PAIRS_PER_READING; copy += 1) {
      pairs[2 * copy] = low;
      pairs[2 * copy + 1] = high;
    }
  }
  return new Uint8Array(pairs.buffer);
}
