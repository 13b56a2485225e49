import { rm, stat, writeFile } from "node:fs/promises";
import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import { assertNever } from "../../contract/assert-never.ts";
import type { ExportRequest, VideoCaptions } from "../../contract/jobs.schema.ts";
import { FRAMES_PER_SECOND } from "../../contract/time.ts";
import { removeStaleTemporaries, temporaryNameFor } from "../common/atomic-file.ts";
import { captionsPathOf } from "../common/captions-path.ts";
import { FaultError } from "../common/fault-error.ts";
import { writeWhole } from "./cached-file.ts";
import { type Cue, cutCues, oneAtATime } from "./captions/cues.ts";
import { asSubRip, asWebVtt } from "./captions/write-captions.ts";
import { writeBeside } from "./captions/write-beside.ts";
import { filtersInto, type FrameRange, openPictures, PICTURES_ON_STDIN, type PictureStretch, type PictureTake, planPictures, whyEncodeAnew } from "./export-pictures.ts";
import { encodeMix } from "./export-sound.ts";
import { type Ffmpeg, ffmpegFault } from "./ffmpeg.ts";
import { type MixPlan, samplesOf } from "./mix-plan.ts";
import { requireSound, writeMixAsWav } from "./mixer.ts";
import type { SoundStore } from "./sound-store.ts";
import { basename, dirname } from "node:path";

/** What is exported, from where, to where. */
export interface ExportJob {
  readonly request: ExportRequest;
  /** Length of the timeline. */
  readonly frames: number;
  readonly takes: readonly PictureTake[];
  /** Of the whole timeline. */
  readonly sound: MixPlan;
  /** Captions of the whole timeline; none when the request wants none. */
  readonly cues: readonly Cue[];
  /** A path chosen by the user; what is there is replaced once the new file is whole. */
  readonly target: string;
}

export interface ExportProgress {
  /** 0 to 1. */
  readonly share: number;
  readonly doing: Said;
}

export interface ExportOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: ExportProgress) => void;
}

export interface ExportResult {
  readonly bytes: number;
  readonly warnings: readonly string[];
}

export interface ExportTools {
  readonly ffmpeg: Ffmpeg;
  readonly sounds: SoundStore;
}

/**
 * Writes one export. The target appears whole or not at all; picture and sound have the same length to one frame.
 * Throws EXPORT_PICTURES_MISSING, EXPORT_RANGE_EMPTY, EXPORT_NO_CAPTIONS, EXPORT_LENGTH_WRONG, EXPORT_FAILED, MIX_EMPTY, MEDIA_NOT_FOUND, AUDIO_UNREADABLE, DISK_FULL,
 * errors of the system, or the signal's reason.
 */
export async function exportTimeline(tools: ExportTools, job: ExportJob, options: ExportOptions = {}): Promise<ExportResult> {
  await removeStaleTemporaries(dirname(job.target));
  try {
    const warnings = await write(tools, job, options);
    options.onProgress?.({ share: 1, doing: say("EXPORT_FINISHED", "Finished") });
    return { bytes: (await stat(job.target)).size, warnings };
  } catch (error) {
    throw ffmpegFault(error, "EXPORT_FAILED", "The export could not be made.", "Try again. If it happens again, copy the diagnostics.");
  }
}

async function write(tools: ExportTools, job: ExportJob, options: ExportOptions): Promise<readonly string[]> {
  const { request } = job;
  switch (request.format) {
    case "mp4":
      return writeMp4(tools, job, rangeOf(request.range, job.frames), request.captions ?? null, options);
    case "webm":
      return writeWebm(tools, job, rangeOf(request.range, job.frames), request.width, options);
    case "gif":
      return writeGif(tools, job, rangeOf(request.range, job.frames), request.width, options);
    case "png":
      return writePng(tools, job, request.frame, options);
    case "wav":
      return writeWav(tools, job, rangeOf(request.range, job.frames), options);
    case "srt":
    case "vtt":
      return writeCaptions(job, request.format, rangeOf(request.range, job.frames));
    default:
      return assertNever(request);
  }
}

/** The part of the wanted range that the timeline has. */
function rangeOf(range: FrameRange | null, frames: number): FrameRange {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? frames, frames);
  if (end <= start) throw new FaultError({ code: "EXPORT_RANGE_EMPTY", what: "There is nothing to export.", why: "The chosen range has no frame of the video in it.", hint: "Choose a range that lies on the timeline." });
  return { start, end };
}

const soundOf = (range: FrameRange) => ({ start: samplesOf(range.start), end: samplesOf(range.end) });

const RATE = String(FRAMES_PER_SECOND);
/** The larger part of the time goes to what is encoded. */
const SOUND_SHARE = { copied: 0.8, encoded: 0.1 } as const;

async function writeMp4(tools: ExportTools, job: ExportJob, range: FrameRange, captions: VideoCaptions | null, options: ExportOptions): Promise<readonly string[]> {
  const stretches = planPictures(job.takes, range);
  const why = await whyEncodeAnew(stretches);
  const size = largestSize(stretches);
  // A bare H.264 stream has no times of its own: each picture gets its place by its number.
  const copied = ["-c:v", "copy", "-bsf:v", `setts=pts=N/(${RATE}*TB):dts=N/(${RATE}*TB):duration=1/(${RATE}*TB)`, "-video_track_timescale", "12800"];
  const encoded = ["-vf", filtersInto(stretches, size).join(","), "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "medium", "-crf", "17", "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"];
  const doing = why === null ? say("COPYING_PICTURES", "Copying the pictures") : say("ENCODING_ANEW", "Encoding the pictures anew at {width} x {height}: {why}", { ...size, why });
  const video = why === null ? copied : encoded;
  const cues = captions === null ? [] : cutCues(job.cues, range);
  const track = captions?.place === "track" ? oneAtATime(cues) : [];
  await writeVideo(tools, job, { range, stretches, codec: "aac", doing, share: why === null ? SOUND_SHARE.copied : SOUND_SHARE.encoded, video, track, container: ["-movflags", "+faststart", "-f", "mp4"] }, options);
  const encoding = why === null ? [] : [`The pictures were encoded anew: ${why}.`];
  return [...encoding, ...(captions === null ? [] : await captionsWarnings(job.target, captions.place, cues))];
}

/** Writes captions that go beside the video. Answers what the user should know about them. */
async function captionsWarnings(target: string, place: VideoCaptions["place"], cues: readonly Cue[]): Promise<readonly string[]> {
  if (cues.length === 0) return ["No caption lies in the exported part, so there are none."];
  if (place === "track") return [];
  const path = await writeBeside(target, asSubRip(cues));
  return path === captionsPathOf(target) ? [] : [`The captions are in "${basename(path)}": there was another file of the video's name.`];
}

async function writeWebm(tools: ExportTools, job: ExportJob, range: FrameRange, width: number, options: ExportOptions): Promise<readonly string[]> {
  const stretches = planPictures(job.takes, range);
  const size = sizeOfWidth(largestSize(stretches), width);
  const video = ["-vf", filtersInto(stretches, size).join(","), "-fps_mode", "passthrough", "-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1", "-pix_fmt", "yuv420p"];
  await writeVideo(tools, job, { range, stretches, codec: "opus", doing: say("ENCODING_PICTURES", "Encoding the pictures"), share: SOUND_SHARE.encoded, video, track: [], container: ["-f", "webm"] }, options);
  return [];
}

interface VideoRecipe {
  readonly range: FrameRange;
  readonly stretches: readonly PictureStretch[];
  readonly codec: "aac" | "opus";
  readonly doing: Said;
  /** Part of the progress that the sound takes. */
  readonly share: number;
  readonly video: readonly string[];
  /** Captions that players can turn on; one at a time. */
  readonly track: readonly Cue[];
  readonly container: readonly string[];
}

async function writeVideo(tools: ExportTools, job: ExportJob, recipe: VideoRecipe, { signal, onProgress }: ExportOptions): Promise<void> {
  const { range, stretches, share } = recipe;
  const frames = range.end - range.start;
  const sound = temporaryNameFor(job.target);
  const captions = recipe.track.length === 0 ? null : temporaryNameFor(job.target);
  try {
    if (captions !== null) await writeFile(captions, asSubRip(recipe.track));
    const [captionsInput, captionsOutput] = captions === null ? [[], []] : [["-f", "srt", "-i", `file:${captions}`], ["-map", "2:s:0", "-c:s", "mov_text"]];
    await encodeMix(tools, job.sound, soundOf(range), recipe.codec, sound, { signal, onProgress: (done) => onProgress?.({ share: done * share, doing: say("ENCODING_SOUND", "Encoding the sound") }) });
    await writeWhole(job.target, async (temporary) => {
      const args = [...PICTURES_ON_STDIN, "-i", `file:${sound}`, ...captionsInput, "-map", "0:v:0", "-map", "1:a:0", ...captionsOutput, "-c:a", "copy", ...recipe.video, "-frames:v", String(frames), ...recipe.container, "-y", `file:${temporary}`];
      await encodePictures(tools.ffmpeg, stretches, args, frames, signal, (done) => onProgress?.({ share: share + done * (1 - share), doing: recipe.doing }));
    });
  } finally {
    await rm(sound, { force: true });
    if (captions !== null) await rm(captions, { force: true });
  }
}

/** A GIF has at most 256 colours: the first pass finds those of all pictures. */
async function writeGif(tools: ExportTools, job: ExportJob, range: FrameRange, width: number, { signal, onProgress }: ExportOptions): Promise<readonly string[]> {
  const stretches = planPictures(job.takes, range);
  const frames = range.end - range.start;
  const fit = filtersInto(stretches, sizeOfWidth(largestSize(stretches), width)).join(",");
  const palette = temporaryNameFor(job.target);
  try {
    const find = [...PICTURES_ON_STDIN, "-vf", `trim=end_frame=${String((stretches[0]?.skip ?? 0) + frames)},${fit},palettegen`, "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-y", `file:${palette}`];
    onProgress?.({ share: 0, doing: say("CHOOSING_COLOURS", "Choosing the colours") });
    await tools.ffmpeg.run(find, { signal, input: openPictures(tools.ffmpeg, stretches, signal) });
    await writeWhole(job.target, async (temporary) => {
      const graph = `[0:v]${fit}[pictures];[pictures][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle[out]`;
      const args = [...PICTURES_ON_STDIN, "-f", "png_pipe", "-i", `file:${palette}`, "-filter_complex", graph, "-map", "[out]", "-fps_mode", "passthrough", "-frames:v", String(frames), "-loop", "0", "-f", "gif", "-y", `file:${temporary}`];
      await encodePictures(tools.ffmpeg, stretches, args, frames, signal, (done) => onProgress?.({ share: 0.3 + 0.7 * done, doing: say("ENCODING_PICTURES", "Encoding the pictures") }));
    });
    return [];
  } finally {
    await rm(palette, { force: true });
  }
}

async function writePng(tools: ExportTools, job: ExportJob, frame: number, { signal, onProgress }: ExportOptions): Promise<readonly string[]> {
  const range = rangeOf({ start: frame, end: frame + 1 }, job.frames);
  const stretches = planPictures(job.takes, range);
  await writeWhole(job.target, async (temporary) => {
    const args = [...PICTURES_ON_STDIN, "-vf", filtersInto(stretches, largestSize(stretches)).join(","), "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-y", `file:${temporary}`];
    await encodePictures(tools.ffmpeg, stretches, args, 1, signal, (done) => onProgress?.({ share: done, doing: say("SAVING_PICTURE", "Saving the picture") }));
  });
  return [];
}

async function writeWav(tools: ExportTools, job: ExportJob, range: FrameRange, { signal, onProgress }: ExportOptions): Promise<readonly string[]> {
  requireSound(job.sound);
  const { clipped } = await writeMixAsWav(tools.sounds, job.sound, soundOf(range), job.target, { signal, onProgress: (share) => onProgress?.({ share, doing: say("MIXING_SOUND", "Mixing the sound") }) });
  return clipped === 0 ? [] : [`The mix is too loud: ${String(clipped)} samples were cut off at full scale. Lower the gain of a track.`];
}

async function writeCaptions(job: ExportJob, format: "srt" | "vtt", range: FrameRange): Promise<readonly string[]> {
  const cues = cutCues(job.cues, range);
  if (cues.length === 0) throw new FaultError({ code: "EXPORT_NO_CAPTIONS", what: "There are no captions to write.", why: "Neither a marker with a name nor a caption of the chosen file lies in this part of the video.", hint: "Add markers where captions begin and give them the words as names, or add a captions file." });
  const text = format === "srt" ? asSubRip(cues) : asWebVtt(cues);
  await writeWhole(job.target, (temporary) => writeFile(temporary, text));
  return [];
}

/** Runs ffmpeg over the pictures and makes sure that it wrote `frames` of them: a wrong length is worse than none. */
async function encodePictures(ffmpeg: Ffmpeg, stretches: readonly PictureStretch[], args: readonly string[], frames: number, signal: AbortSignal | undefined, onShare: (share: number) => void): Promise<void> {
  let written = 0;
  await ffmpeg.run(args, {
    signal,
    input: openPictures(ffmpeg, stretches, signal),
    onProgress: (progress) => {
      written = progress.frames;
      onShare(Math.min(1, written / frames));
    },
  });
  if (written !== frames) {
    throw new FaultError({ code: "EXPORT_LENGTH_WRONG", what: "The export was given up.", why: `It would have ${String(written)} pictures instead of ${String(frames)} (${String(frames / FRAMES_PER_SECOND)} s): a clip on the disk is damaged.`, hint: "Render the project again, then export it." });
  }
}

/** The size that all takes are fitted into. */
function largestSize(stretches: readonly PictureStretch[]): { readonly width: number; readonly height: number } {
  const [first, ...rest] = stretches;
  if (first === undefined) throw new Error("An export without pictures");
  return rest.reduce((largest, one) => (one.width * one.height > largest.width * largest.height ? one : largest), first);
}

/** A size of this width and the same shape; encoders need even sides. */
function sizeOfWidth(size: { readonly width: number; readonly height: number }, width: number): { readonly width: number; readonly height: number } {
  const even = (value: number): number => Math.max(2, 2 * Math.round(value / 2));
  return { width: even(width), height: even((size.height * width) / size.width) };
}
