import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Fault } from "../../contract/fault.schema.ts";
import { FaultError, fileFault, systemErrorCode } from "../common/fault-error.ts";
import { type Ffmpeg, FfmpegFailure } from "./ffmpeg.ts";
import { pictureInput } from "./ffmpeg-input.ts";
import { kindOfContent } from "./file-kind.ts";
import { isMeantAsCaptions, readCaptions } from "./captions/read-captions.ts";
import type { CaptionsFacts, MediaFacts, PictureFacts, SoundFacts } from "./media-facts.ts";
import { readPictureHeader, uprightSize } from "./picture-header.ts";
import { measureByEnds } from "./sound-ends.ts";
import { passThroughSound, type SoundSink } from "./sound-pass.ts";
import { promisedWavSeconds } from "./wav-header.ts";
import { promisedSeconds, showsMovingPictures } from "./sound-messages.ts";

/** The engine's limits, so that nothing is imported that cannot be rendered. */
const SMALLEST_SIDE = 64;
const LARGEST_PIXELS = 100_000_000;
const LOWEST_RATE = 4_000;
const HIGHEST_RATE = 768_000;
const MOST_CHANNELS = 64;
/** Enough for the chunks before the samples of a WAV file, but for odd ones. */
const START_BYTES = 65_536;
/** Nothing in such a file says what it is to be, so its name does. */
const PICTURE_NAME = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic)$/i;
/** A smaller difference is encoder delay or rounding in the header, not a file that was cut off. */
const MISSING_SECONDS = 0.1;

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly sink?: SoundSink;
}

/**
 * Describes a portrait, a recording or captions from the content; only captions that are not quite right are known by the name. A recording is decoded whole, so that its length is exact, and
 * `sink` gets all of it; of a long one with exact times only the ends are, and `sink` gets nothing.
 * Throws the faults of `readCaptions`, MEDIA_NOT_FOUND, MEDIA_EMPTY, MEDIA_KIND_UNKNOWN, IMAGE_UNREADABLE, IMAGE_TRUNCATED, IMAGE_TOO_SMALL, IMAGE_TOO_LARGE,
 * AUDIO_UNREADABLE, AUDIO_NO_STREAM, AUDIO_EMPTY, or the signal's reason.
 */
export async function probeMedia(ffmpeg: Ffmpeg, path: string, options: ProbeOptions = {}): Promise<MediaFacts> {
  const name = basename(path);
  const start = await readStart(path, name);
  if (isMeantAsCaptions(start, name)) return probeCaptions(path, name);
  const kind = kindOfContent(start);
  switch (kind.kind) {
    case "picture":
      return probePicture(ffmpeg, path, name, options.signal);
    case "refused":
      throw new FaultError({ code: "MEDIA_KIND_UNKNOWN", what: `"${name}" cannot be used.`, why: `It is ${kind.is}.`, hint: "Give a portrait as JPEG, PNG or WebP, and a voice as WAV, MP3, FLAC, M4A or OGG." });
    case "perhaps-sound":
      return probeSound(ffmpeg, path, name, start, options);
  }
}

async function probeCaptions(path: string, name: string): Promise<CaptionsFacts> {
  const cues = await readCaptions(path, name);
  return { kind: "captions", captions: cues.length, milliseconds: cues.reduce((last, cue) => Math.max(last, cue.end), 0), notices: [] };
}

async function readStart(path: string, name: string): Promise<Buffer> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw new FaultError({ code: "MEDIA_NOT_FOUND", what: `"${name}" is not a file.`, why: "It is a folder or something else that cannot be imported.", hint: "Choose a picture or a recording." });
    if (facts.size === 0) throw new FaultError({ code: "MEDIA_EMPTY", what: `"${name}" is empty.`, why: "The file has no content.", hint: "Choose another file, or copy it again from where it came from." });
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") throw new FaultError({ code: "MEDIA_NOT_FOUND", what: `"${name}" was not found.`, why: "The file was moved, renamed or deleted.", hint: "Choose it again." });
    const known = fileFault(error);
    throw known === null ? error : new FaultError(known, { cause: error });
  }
}

async function probePicture(ffmpeg: Ffmpeg, path: string, name: string, signal: AbortSignal | undefined): Promise<PictureFacts> {
  const header = await readPictureHeader(path);
  if (header === null) throw pictureUnreadable(name, "Its header is damaged.");
  const { width, height } = uprightSize(header);
  if (width * height > LARGEST_PIXELS) {
    throw pictureFault("IMAGE_TOO_LARGE", `The picture "${name}" is too large.`, `At most ${String(LARGEST_PIXELS / 1e6)} megapixels are opened; it has ${String(width)} x ${String(height)} pixels.`, "Scale it down; more than 2000 pixels a side bring nothing.");
  }
  if (Math.min(width, height) < SMALLEST_SIDE) {
    throw pictureFault("IMAGE_TOO_SMALL", `The picture "${name}" is too small.`, `It has ${String(width)} x ${String(height)} pixels; each side needs at least ${String(SMALLEST_SIDE)}.`, "Use a larger picture; 512 pixels or more on the short side look best.");
  }
  if (!header.complete) throw pictureFault("IMAGE_TRUNCATED", `The picture "${name}" is cut off.`, "The file ends before the picture does, so a part of the picture is missing.", "Copy or download the picture again.");
  // Damage inside shows only when the picture is decoded.
  await ffmpeg.run(["-xerror", ...pictureInput(path, header), "-frames:v", "1", "-f", "null", "-"], { signal }).catch((error: unknown) => {
    throw error instanceof FfmpegFailure ? pictureUnreadable(name, "Its data are damaged.") : error;
  });
  const notices: Fault[] = [];
  if (header.animated) notices.push(pictureFault("IMAGE_ANIMATED", `"${name}" is an animation.`, "A portrait is one still picture; the first one is used.", "Choose another picture if the first one is not the right one.").fault);
  return { kind: "image", width, height, format: header.format, notices };
}

async function probeSound(ffmpeg: Ffmpeg, path: string, name: string, start: Buffer, { sink, signal }: ProbeOptions): Promise<SoundFacts> {
  const pass =
    (await measureByEnds(ffmpeg, path, signal)) ??
    (await passThroughSound(ffmpeg, path, sink ?? { begin: () => undefined, add: () => undefined }, signal).catch((error: unknown) => {
      throw error instanceof FfmpegFailure ? soundFault(error, name) : error;
    }));
  const { samples, sampleRate, channels } = pass;
  if (samples === 0) throw audioFault("AUDIO_EMPTY", `"${name}" holds no sound.`, "There is a sound stream with not one readable sample in it.", "Choose another recording, or copy it again from where it came from.");
  if (sampleRate < LOWEST_RATE || sampleRate > HIGHEST_RATE || channels > MOST_CHANNELS) {
    throw audioFault("AUDIO_UNREADABLE", `"${name}" cannot be used as a voice.`, `It has ${String(sampleRate)} samples a second and ${String(channels)} channels.`, "Save it as a WAV file of 48,000 samples a second, mono or stereo.");
  }
  const notices: Fault[] = [];
  const fromVideo = showsMovingPictures(pass.messages);
  // The sound of a video may rightly be shorter than its pictures.
  const promised = fromVideo ? null : promisedWavSeconds(start) ?? promisedSeconds(pass.messages);
  const found = samples / sampleRate;
  if (promised !== null && promised - found > MISSING_SECONDS) {
    notices.push(audioFault("AUDIO_TRUNCATED", `"${name}" is damaged or cut off.`, `Its header promises ${promised.toFixed(1)} s; ${found.toFixed(1)} s can be read and are used.`, "Copy or download the recording again if the rest matters.").fault);
  }
  return { kind: "audio", samples, sampleRate, channels, fromVideo, notices };
}

function soundFault(failure: FfmpegFailure, name: string): FaultError {
  if (/matches no streams/i.test(failure.messages)) return audioFault("AUDIO_NO_STREAM", `"${name}" has no sound in it.`, "It can be read, but holds pictures or data only.", "Choose a recording, or a video with sound.");
  if (PICTURE_NAME.test(name)) return pictureUnreadable(name, "Its content is not that of a picture.");
  return audioFault("AUDIO_UNREADABLE", `"${name}" cannot be read.`, `It is neither a picture nor a recording that is known here, or it is damaged. ffmpeg says: ${failure.reason.replaceAll(/[/\\]\S*[/\\]/g, "")}.`, "Give a portrait as JPEG, PNG or WebP, and a voice as WAV, MP3, FLAC, M4A or OGG.");
}

function pictureUnreadable(name: string, why: string): FaultError {
  return pictureFault("IMAGE_UNREADABLE", `The picture "${name}" cannot be read.`, why, "Open it in another program and save it as PNG or JPEG.");
}

const pictureFault = (code: string, what: string, why: string, hint: string): FaultError => new FaultError({ code, what, why, hint, field: "image" });
const audioFault = (code: string, what: string, why: string, hint: string): FaultError => new FaultError({ code, what, why, hint, field: "audio" });
