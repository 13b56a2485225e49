/** The one integer time base: frames at 25 per second (docs/engine.md). Seconds exist only at the edges. */
export const FRAMES_PER_SECOND = 25;
/** A block is what the model denoises at once. */
export const FRAMES_PER_BLOCK = 12;
/** Rate of the sound that the model hears, in samples per second. */
export const MODEL_SAMPLE_RATE = 16_000;

/** Frames needed to show `samples` of sound; at least one. */
export function framesOfSamples(samples: number, sampleRate: number): number {
  return Math.max(1, Math.ceil((samples * FRAMES_PER_SECOND) / sampleRate));
}

/** Sample that sounds when a frame begins, in a file of `sampleRate` samples per second. Rounded down: a file cut in two never gets longer. */
export function sampleOfFrame(frame: number, sampleRate: number): number {
  return Math.floor((frame * sampleRate) / FRAMES_PER_SECOND);
}

/** Block that a frame counted from the start of its take belongs to. */
export function blockOfFrame(frame: number): number {
  return Math.floor(frame / FRAMES_PER_BLOCK);
}

/** Clips of `inferFrames` frames that cover `frames`; the last one may be shorter. */
export function clipsOfFrames(frames: number, inferFrames: number): number {
  return Math.ceil(frames / inferFrames);
}

/** Whether a clip can have so many frames: a positive multiple of a block. */
export function isClipLength(frames: number): boolean {
  return Number.isInteger(frames) && frames >= FRAMES_PER_BLOCK && frames % FRAMES_PER_BLOCK === 0;
}

/** The clip lengths nearest to one that is not possible, ascending: one or two. */
export function nearestClipLengths(frames: number): number[] {
  const below = Math.floor(frames / FRAMES_PER_BLOCK) * FRAMES_PER_BLOCK;
  return below < FRAMES_PER_BLOCK ? [FRAMES_PER_BLOCK] : [below, below + FRAMES_PER_BLOCK];
}

/** Frame nearest to a moment in seconds. */
export function frameOfSeconds(seconds: number): number {
  return Math.round(seconds * FRAMES_PER_SECOND);
}

/** Seconds of a number of frames. */
export function secondsOfFrames(frames: number): number {
  return frames / FRAMES_PER_SECOND;
}

/** `h:mm:ss:ff`, or `m:ss:ff` below one hour. */
export function timecode(frame: number): string {
  const sign = frame < 0 ? "-" : "";
  const whole = Math.abs(Math.trunc(frame));
  const frames = String(whole % FRAMES_PER_SECOND).padStart(2, "0");
  const seconds = Math.floor(whole / FRAMES_PER_SECOND);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  const head = hours > 0 ? `${String(hours)}:${String(minutes).padStart(2, "0")}` : String(minutes);
  return `${sign}${head}:${rest}:${frames}`;
}

/** Frame of a typed time code: `ss`, `m:ss`, `m:ss:ff`, `h:mm:ss:ff` or `12.4s`; null when it is none. */
export function frameOfTimecode(text: string): number | null {
  const trimmed = text.trim();
  const asSeconds = /^(\d{1,6}(?:\.\d{1,6})?)\s*s?$/.exec(trimmed);
  if (asSeconds?.[1] !== undefined) return frameOfSeconds(Number(asSeconds[1]));
  const parts = /^(?:(\d{1,4}):)?(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})$/.exec(trimmed);
  if (parts === null) return null;
  const [first, second, third, last] = [parts[1], parts[2], parts[3], parts[4]].map((part) => (part === undefined ? undefined : Number(part)));
  if (third === undefined || last === undefined) return null;
  // Two numbers are minutes and seconds; with three or four the last one counts frames.
  if (first === undefined) return last < 60 ? (third * 60 + last) * FRAMES_PER_SECOND : null;
  const [hours, minutes] = second === undefined ? [0, first] : [first, second];
  if (last >= FRAMES_PER_SECOND || third >= 60 || (second !== undefined && minutes >= 60)) return null;
  return ((hours * 60 + minutes) * 60 + third) * FRAMES_PER_SECOND + last;
}
