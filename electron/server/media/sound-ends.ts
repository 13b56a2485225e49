import { type Ffmpeg, FfmpegFailure } from "./ffmpeg.ts";
import { soundInput } from "./ffmpeg-input.ts";
import { promisedSeconds, showsMovingPictures } from "./sound-messages.ts";
import type { SoundPassResult } from "./sound-pass.ts";

/** Shorter recordings are decoded whole in a moment. */
const LONG_SECONDS = 600;
/** Decoded at each end. A seek is exact, but the first packets after it may lack what the decoder knew from before. */
const END_SECONDS = 10;
/** What the header promises and what the end of the sound says may differ by this. */
const TOLERANCE_SECONDS = 1;
/** Containers whose times count samples, exactly, from any seek; as ffmpeg names them. */
const EXACT_CONTAINERS: ReadonlySet<string> = new Set(["wav", "mp3", "mov,mp4,m4a,3gp,3g2,mj2", "flac", "ogg"]);

/**
 * The exact length of a long recording from its two ends: the time of its last sample less that of its first. A few hundredths of a second
 * instead of the seconds that decoding an hour takes. Null when the file is short, of another container, or anything in it is odd: a
 * whole pass then tells.
 */
export async function measureByEnds(ffmpeg: Ffmpeg, path: string, signal?: AbortSignal): Promise<SoundPassResult | null> {
  try {
    const head = await decodeStretch(ffmpeg, path, ["-t", String(END_SECONDS)], signal);
    const promised = promisedSeconds(head.messages);
    const container = /^Input #0, (.+), from /m.exec(head.messages)?.[1] ?? "";
    if (head.stretch === null || promised === null || promised < LONG_SECONDS || !EXACT_CONTAINERS.has(container) || showsMovingPictures(head.messages)) return null;
    const tail = await decodeStretch(ffmpeg, path, ["-ss", String(promised - END_SECONDS)], signal);
    const { sampleRate, channels, start } = head.stretch;
    if (tail.stretch?.sampleRate !== sampleRate || tail.stretch.channels !== channels) return null;
    const samples = tail.stretch.end - start;
    return Math.abs(samples / sampleRate - promised) > TOLERANCE_SECONDS ? null : { samples, sampleRate, channels, messages: head.messages };
  } catch (error) {
    // The whole pass finds the words for a file that cannot be read.
    if (error instanceof FfmpegFailure) return null;
    throw error;
  }
}

interface Stretch {
  readonly sampleRate: number;
  readonly channels: number;
  /** In samples of the file's own clock. */
  readonly start: number;
  readonly end: number;
}

async function decodeStretch(ffmpeg: Ffmpeg, path: string, place: readonly string[], signal: AbortSignal | undefined): Promise<{ readonly stretch: Stretch | null; readonly messages: string }> {
  const args = ["-loglevel", "info", "-nostats", "-copyts", ...place, ...soundInput(path), "-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "framecrc", "pipe:1"];
  const { stdout, messages } = await ffmpeg.run(args, { signal });
  return { stretch: readStretch(stdout.toString("latin1")), messages };
}

const SAMPLE_BYTES = 2;

/** From ffmpeg's list of decoded pieces: `stream, time, time, samples, bytes, sum`. Null when there are none, or they leave a gap. */
export function readStretch(list: string): Stretch | null {
  const sampleRate = Number(/^#sample_rate 0: (\d+)$/m.exec(list)?.[1]);
  // Only then are times counted in samples.
  if (!new RegExp(`^#tb 0: 1/${String(sampleRate)}$`, "m").test(list)) return null;
  const stretches: Stretch[] = [];
  for (const [, time, duration, bytes] of list.matchAll(/^0, +-?\d+, +(-?\d+), +(\d+), +(\d+), /gm)) {
    const [start, samples, size] = [Number(time), Number(duration), Number(bytes)];
    if (samples > 0) stretches.push({ sampleRate, channels: size / samples / SAMPLE_BYTES, start, end: start + samples });
  }
  const [first] = stretches;
  const isOne = stretches.every(({ channels, start }, index) => channels === first?.channels && (index === 0 || start === stretches[index - 1]?.end));
  return first === undefined || !isOne ? null : { ...first, end: stretches.at(-1)?.end ?? first.end };
}
