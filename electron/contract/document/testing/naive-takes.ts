import { FRAMES_PER_BLOCK, sampleOfFrame } from "../../time.ts";
import type { AudioFile, AudioSegment, AudioTrack, ProjectDocument } from "../project-document.schema.ts";
import { framesOfProject } from "../timeline.ts";

/** The meaning of a timeline, worked out frame by frame as its rules are written, slowly. What the compiler makes is compared with it. */
export type Naive = { readonly frames: number; readonly takes: readonly NaiveTake[] };

export type NaiveTake = {
  readonly start: number;
  readonly portrait: string;
  /** The prompt of each block. */
  readonly blocks: readonly string[];
  /** What sounds in each frame. */
  readonly heard: readonly (readonly Heard[])[];
  /** Frames after which an utterance ends and another begins, from the take's start. */
  readonly cuts: readonly number[];
};

export type Heard = { readonly mediaId: string; readonly sample: number; readonly gain: number; readonly fade: number };

/** Sound of one track at one frame, and the segment it comes from. */
type Sounding = Heard & { readonly segment: AudioSegment; readonly file: AudioFile };

export function naiveTakes(document: ProjectDocument): Naive {
  const frames = framesOfProject(document);
  const takes: NaiveTake[] = [];
  const starts = [...Array(frames).keys()].filter((frame) => frame === 0 || portraitAt(document, frame) !== portraitAt(document, frame - 1));
  starts.forEach((start, index) => {
    const end = starts[index + 1] ?? frames;
    const within = [...Array(end - start).keys()].map((frame) => start + frame);
    const sounding = within.map((frame) => document.audioTracks.map((track) => soundingAt(document, track, frame)));
    takes.push({
      start,
      portrait: portraitAt(document, start),
      blocks: within.filter((frame) => (frame - start) % FRAMES_PER_BLOCK === 0).map((frame) => promptAt(document, frame)),
      heard: sounding.map((tracks) => tracks.flatMap((one) => (one === null ? [] : [one])).map(({ mediaId, sample, gain, fade }) => ({ mediaId, sample, gain, fade }))),
      cuts: within.slice(1).map((frame) => frame - start).filter((frame) => !goesOn(sounding[frame - 1] ?? [], sounding[frame] ?? [])),
    });
  });
  return { frames, takes };
}

function portraitAt(document: ProjectDocument, frame: number): string {
  const begun = document.portraits.filter((segment) => segment.start <= frame);
  return (begun[begun.length - 1] ?? document.portraits[0])?.mediaId ?? "";
}

function promptAt(document: ProjectDocument, frame: number): string {
  const words = document.prompts.map((segment) => ({ start: segment.start, text: segment.text.split(/\s+/).filter(Boolean).join(" ") })).filter((prompt) => prompt.text !== "");
  const begun = words.filter((prompt) => prompt.start <= frame);
  return (begun[begun.length - 1] ?? words[0])?.text ?? "";
}

function soundingAt(document: ProjectDocument, track: AudioTrack, frame: number): Sounding | null {
  const segment = track.segments.find((one) => one.start <= frame && frame < one.start + one.duration);
  const file = document.media.find((media) => media.id === segment?.mediaId);
  if (track.muted || segment === undefined || file?.kind !== "audio" || track.gainDecibels + segment.gainDecibels <= -60) return null;
  const middle = frame + 0.5;
  const rising = segment.fadeIn === 0 ? 1 : (middle - segment.start) / segment.fadeIn;
  const falling = segment.fadeOut === 0 ? 1 : (segment.start + segment.duration - middle) / segment.fadeOut;
  return { mediaId: file.id, sample: segment.sourceStart + sampleOfFrame(frame - segment.start, file.sampleRate), gain: track.gainDecibels + segment.gainDecibels, fade: Math.min(1, rising, falling), segment, file };
}

/** Whether two neighbouring frames belong to one utterance: some track sounds on as if nothing were between them, or both are silent. */
function goesOn(before: readonly (Sounding | null)[], after: readonly (Sounding | null)[]): boolean {
  if (before.every((one) => one === null) && after.every((one) => one === null)) return true;
  return before.some((one, track) => {
    const next = after[track] ?? null;
    if (one === null || next === null) return false;
    if (one.segment === next.segment) return true;
    const { segment, file } = one;
    const expected = segment.sourceStart + sampleOfFrame(segment.duration, file.sampleRate);
    const seamless = Math.abs(next.segment.sourceStart - expected) <= (file.sampleRate % 25 === 0 ? 0 : file.sampleRate / 1_000);
    return file === next.file && seamless && one.gain === next.gain && segment.fadeOut === 0 && next.segment.fadeIn === 0;
  });
}
