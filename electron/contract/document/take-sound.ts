import { FRAMES_PER_SECOND, sampleOfFrame } from "../time.ts";
import { LIMITS } from "./limits.ts";
import type { AudioFile, AudioTrack, MediaFile } from "./project-document.schema.ts";
import { endOf, indexAfter } from "./timeline.ts";

/** Part of a fade that lies within a piece of sound. Amplitude changes linearly between 0 and 1 over `frames`. */
export type Fade = {
  readonly frames: number;
  /** Frames of the fade that lie outside: before the piece for a fade in, after it for a fade out. */
  readonly outside: number;
};

/** A piece of one recording as it is heard; what is silent is not listed. */
export type AudioPiece = {
  readonly trackId: string;
  readonly mediaId: string;
  /** Content of the recording. */
  readonly sha256: string;
  /** Frames from the take's start; the piece lies within the take. */
  readonly start: number;
  readonly duration: number;
  /** First sample, at the file's rate. The last frame may reach past the end of the file: silence follows. */
  readonly sourceStart: number;
  /** Of the segment and its track together. */
  readonly gainDecibels: number;
  readonly fadeIn: Fade;
  readonly fadeOut: Fade;
};

/** A stretch that the speech model hears by itself: overlapping pieces of sound, or the silence between them. */
export type Utterance = {
  /** Frames from the take's start. */
  readonly start: number;
  readonly duration: number;
  /** What is heard, in the order of their starts; nothing in silence. */
  readonly pieces: readonly AudioPiece[];
};

export type TakeSound = {
  /** In the order of their starts. Pieces that only a cut divides are one piece. */
  readonly pieces: readonly AudioPiece[];
  /** Cover the take without gap or overlap. */
  readonly utterances: readonly Utterance[];
  /** Where an utterance ends and the next begins: ascending frames from the take's start, without 0 and the end. */
  readonly speechCuts: readonly number[];
};

/** Frames of the timeline that a take covers. */
export type TakeSpan = { readonly start: number; readonly frames: number };

/** A gain at or below this is silence: the lowest position of a slider turns the sound off. */
export const SILENT_DECIBELS = LIMITS.gainDecibels.min;

type Remembered = { readonly media: readonly MediaFile[]; readonly spans: readonly TakeSpan[]; readonly sounds: readonly TakeSound[] };
const remembered = new WeakMap<readonly AudioTrack[], Remembered>();

/**
 * The sound of each take. Remembered as long as tracks, media and takes stay what they are, so that an edit of a prompt costs nothing here.
 * @param spans ascending, without gaps
 */
export function soundOfTakes(tracks: readonly AudioTrack[], media: readonly MediaFile[], spans: readonly TakeSpan[]): readonly TakeSound[] {
  const known = remembered.get(tracks);
  if (known?.media === media && sameSpans(known.spans, spans)) return known.sounds;
  const pieces = piecesOfTakes(runsOf(tracks, media), spans);
  const sounds = spans.map((span, index) => soundOf(pieces[index] ?? [], span.frames));
  remembered.set(tracks, { media, spans, sounds });
  return sounds;
}

/** Factor of amplitude that a piece's fades give at a moment, in frames from the piece's start. */
export function fadeAt(piece: AudioPiece, frame: number): number {
  const rising = piece.fadeIn.frames === 0 ? 1 : (frame + piece.fadeIn.outside) / piece.fadeIn.frames;
  const falling = piece.fadeOut.frames === 0 ? 1 : (piece.duration - frame + piece.fadeOut.outside) / piece.fadeOut.frames;
  return Math.max(0, Math.min(1, rising, falling));
}

/** Segments that go on in the same recording as if they were one; `start` counts on the timeline. */
type Run = {
  readonly trackId: string;
  readonly file: AudioFile;
  readonly start: number;
  readonly duration: number;
  readonly sourceStart: number;
  /** Sample that would come next. */
  readonly sourceEnd: number;
  readonly gainDecibels: number;
  readonly fadeIn: number;
  readonly fadeOut: number;
};

function runsOf(tracks: readonly AudioTrack[], media: readonly MediaFile[]): Run[] {
  const files = new Map(media.flatMap((one) => (one.kind === "audio" ? [[one.id, one]] : [])));
  return tracks.flatMap((track) => {
    const runs: Run[] = [];
    for (const { mediaId, start, duration, sourceStart, fadeIn, fadeOut, ...segment } of track.muted ? [] : track.segments) {
      const file = files.get(mediaId);
      const gainDecibels = track.gainDecibels + segment.gainDecibels;
      if (file === undefined || gainDecibels <= SILENT_DECIBELS) continue;
      const sourceEnd = sourceStart + sampleOfFrame(duration, file.sampleRate);
      const run: Run = { trackId: track.id, file, start, duration, sourceStart, sourceEnd, gainDecibels, fadeIn, fadeOut };
      const before = runs[runs.length - 1];
      if (before !== undefined && goesOn(before, run)) runs[runs.length - 1] = { ...before, duration: before.duration + duration, sourceEnd, fadeOut };
      else runs.push(run);
    }
    return runs;
  });
}

function goesOn(before: Run, run: Run): boolean {
  // At the rare rate that is no multiple of 25, each cut falls between samples and is rounded anew: up to a millisecond is no jump.
  const { sampleRate } = run.file;
  const tolerance = sampleRate % FRAMES_PER_SECOND === 0 ? 0 : sampleRate / 1_000;
  return (
    before.file === run.file &&
    before.start + before.duration === run.start &&
    Math.abs(before.sourceEnd - run.sourceStart) <= tolerance &&
    before.gainDecibels === run.gainDecibels &&
    before.fadeOut === 0 &&
    run.fadeIn === 0
  );
}

function piecesOfTakes(runs: readonly Run[], spans: readonly TakeSpan[]): AudioPiece[][] {
  const pieces: AudioPiece[][] = spans.map(() => []);
  for (const run of runs) {
    for (let index = Math.max(0, indexAfter(spans, run.start) - 1); index < spans.length; index += 1) {
      const span = spans[index];
      if (span === undefined || span.start >= run.start + run.duration) break;
      if (run.start < span.start + span.frames) pieces[index]?.push(cutToTake(run, span));
    }
  }
  for (const list of pieces) list.sort((a, b) => a.start - b.start);
  return pieces;
}

function cutToTake(run: Run, span: TakeSpan): AudioPiece {
  const before = Math.max(0, span.start - run.start);
  const after = Math.max(0, run.start + run.duration - (span.start + span.frames));
  return {
    trackId: run.trackId,
    mediaId: run.file.id,
    sha256: run.file.sha256,
    start: run.start + before - span.start,
    duration: run.duration - before - after,
    sourceStart: run.sourceStart + sampleOfFrame(before, run.file.sampleRate),
    gainDecibels: run.gainDecibels,
    fadeIn: fadeBeyond(run.fadeIn, before),
    fadeOut: fadeBeyond(run.fadeOut, after),
  };
}

function fadeBeyond(frames: number, outside: number): Fade {
  return outside < frames ? { frames, outside } : { frames: 0, outside: 0 };
}

function soundOf(pieces: readonly AudioPiece[], frames: number): TakeSound {
  const utterances: Utterance[] = [];
  let heard: AudioPiece[] = [];
  let start = 0;
  let end = 0;
  const close = (next: number): void => {
    if (end > start) utterances.push({ start, duration: end - start, pieces: heard });
    if (next > end) utterances.push({ start: end, duration: next - end, pieces: [] });
    heard = [];
    start = next;
    end = next;
  };
  for (const piece of pieces) {
    if (piece.start >= end) close(piece.start);
    heard.push(piece);
    end = Math.max(end, endOf(piece));
  }
  close(frames);
  return { pieces, utterances, speechCuts: utterances.slice(1).map((utterance) => utterance.start) };
}

function sameSpans(some: readonly TakeSpan[], others: readonly TakeSpan[]): boolean {
  return some.length === others.length && some.every((span, index) => span.start === others[index]?.start && span.frames === others[index].frames);
}
