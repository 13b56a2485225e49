import { FRAMES_PER_SECOND, sampleOfFrame } from "../../time.ts";
import { LIMITS } from "../limits.ts";
import type { AudioFile, AudioSegment, PortraitSegment, ProjectDocument, PromptSegment } from "../project-document.schema.ts";
import { endOf, framesFrom, lastEnd } from "../timeline.ts";
import type { NewId } from "./commands.ts";

/** What all segments have in common. */
export type Segment = { readonly id: string; readonly start: number; readonly duration: number };

/** A track as the edits see it: its segments, sorted and apart from each other, and how one of them is cut. */
export type Lane<S extends Segment> = {
  readonly segments: S[];
  /** Portraits and prompts hold on over gaps; sound ends. */
  readonly holds: boolean;
  /** Frames that a segment could begin earlier. */
  readonly headroom: (segment: S) => number;
  /** Frames that a segment could last at most, from where it begins. */
  readonly longest: (segment: S) => number;
  /** The segment from frame `from` to `to`, with its fades at the new edges. */
  readonly resize: (segment: S, from: number, to: number) => S;
  /** The part of a segment from frame `from` to `to`; an edge that is new has no fade. */
  readonly part: (segment: S, from: number, to: number) => S;
};

/** All tracks of a document; `audio` in the order of its tracks. */
export type Lanes = { readonly portrait: Lane<PortraitSegment>; readonly prompt: Lane<PromptSegment>; readonly audio: readonly Lane<AudioSegment>[] };

/** Changes any track in the same way. */
export type LaneEdit = <S extends Segment>(lane: Lane<S>) => S[];

export function lanesOf(document: ProjectDocument): Lanes {
  const files = audioFiles(document);
  return {
    portrait: holdingLane(document.portraits),
    prompt: holdingLane(document.prompts),
    audio: document.audioTracks.map((track) => audioLane(track.segments, files)),
  };
}

/** The document with other segments on its tracks; the same document when all arrays are the ones it has. */
export function withSegments(document: ProjectDocument, portraits: PortraitSegment[], prompts: PromptSegment[], audio: readonly AudioSegment[][]): ProjectDocument {
  const sameSound = document.audioTracks.every((track, index) => track.segments === audio[index]);
  if (sameSound && portraits === document.portraits && prompts === document.prompts) return document;
  const audioTracks = sameSound
    ? document.audioTracks
    : document.audioTracks.map((track, index) => {
        const segments = audio[index] ?? track.segments;
        return segments === track.segments ? track : { ...track, segments };
      });
  return { ...document, portraits, prompts, audioTracks };
}

export function editLanes(document: ProjectDocument, edit: LaneEdit): ProjectDocument {
  const lanes = lanesOf(document);
  return withSegments(document, edit(lanes.portrait), edit(lanes.prompt), lanes.audio.map(edit));
}

/** What is found on the first track where anything is. */
export function firstOnLanes<Found>(document: ProjectDocument, look: <S extends Segment>(lane: Lane<S>) => Found | null): Found | null {
  const lanes = lanesOf(document);
  let found = look(lanes.portrait) ?? look(lanes.prompt);
  for (const lane of lanes.audio) found ??= look(lane);
  return found;
}

/** Puts sorted segments onto a track. What lies there is trimmed, split or removed. */
export function overwrite<S extends Segment>(lane: Lane<S>, incoming: readonly S[], newId: NewId): S[] {
  if (incoming.length === 0) return lane.segments;
  const result: S[] = [];
  let first = 0;
  for (const segment of lane.segments) {
    const end = endOf(segment);
    let from = segment.start;
    let pieces = 0;
    const keep = (to: number): void => {
      if (from >= to) return;
      const part = lane.part(segment, from, to);
      result.push(pieces === 0 ? part : { ...part, id: newId() });
      pieces += 1;
    };
    for (let at = first; at < incoming.length; at += 1) {
      const other = incoming[at];
      if (other === undefined || other.start >= end) break;
      if (endOf(other) <= segment.start) first = at + 1;
      else {
        keep(other.start);
        from = endOf(other);
      }
    }
    keep(end);
  }
  return [...result, ...incoming].sort((a, b) => a.start - b.start);
}

/**
 * Makes room of `by` frames at a frame. A segment that lies across it is split, or stretched where that is allowed: on tracks that hold, a stretched
 * portrait or prompt says the same as two halves.
 */
export function openTime<S extends Segment>(lane: Lane<S>, at: number, by: number, across: "split" | "stretch", newId: NewId): S[] {
  if (by === 0 || lastEnd(lane.segments) <= at) return lane.segments;
  return lane.segments.flatMap((segment): S[] => {
    const end = endOf(segment);
    if (end <= at) return [segment];
    if (segment.start >= at) return [{ ...segment, start: segment.start + by }];
    if (across === "stretch") return [{ ...segment, duration: segment.duration + by }];
    return [lane.part(segment, segment.start, at), { ...lane.part(segment, at, end), id: newId(), start: at + by }];
  });
}

/**
 * Takes time out of a track: later segments move up. Only tracks that hold may have segments within the spans; of those, the one still in force where a
 * span ends is kept, so that what follows looks as before.
 * @param spans sorted, apart from each other
 */
export function closeTime<S extends Segment>(lane: Lane<S>, spans: readonly Span[]): S[] {
  const firstSpan = spans[0];
  if (firstSpan === undefined || lastEnd(lane.segments) <= firstSpan.start) return lane.segments;
  const starts = framesWithout(spans, lane.segments.map((segment) => segment.start));
  const ends = framesWithout(spans, lane.segments.map(endOf));
  const result: S[] = [];
  lane.segments.forEach((segment, index) => {
    const start = starts[index] ?? segment.start;
    const left = (ends[index] ?? start) - start;
    const room = (starts[index + 1] ?? Number.POSITIVE_INFINITY) - start;
    const duration = left > 0 ? left : Math.min(segment.duration, room);
    if (duration === 0) return;
    result.push(start === segment.start && duration === segment.duration ? segment : { ...segment, start, duration });
  });
  return result;
}

/** Frames from `start` to before `end`. */
export type Span = { readonly start: number; readonly end: number };

/** Where frames come to lie when time is taken out. Both lists ascend. */
export function framesWithout(spans: readonly Span[], frames: readonly number[]): number[] {
  let next = 0;
  let removed = 0;
  return frames.map((frame) => {
    for (let span = spans[next]; span !== undefined && span.end <= frame; span = spans[next]) {
      removed += span.end - span.start;
      next += 1;
    }
    const span = spans[next];
    return frame - removed - (span !== undefined && span.start < frame ? frame - span.start : 0);
  });
}

/** Joins spans that overlap or touch; sorted. */
export function unionOf(spans: readonly Span[]): Span[] {
  const result: { start: number; end: number }[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = result[result.length - 1];
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

/** The parts of `spans` that `others` leave free. Both sorted and apart, as {@link unionOf} gives them. */
export function difference(spans: readonly Span[], others: readonly Span[]): Span[] {
  const result: Span[] = [];
  let first = 0;
  for (const span of spans) {
    let from = span.start;
    for (let at = first; at < others.length; at += 1) {
      const other = others[at];
      if (other === undefined || other.start >= span.end) break;
      if (other.end <= span.start) first = at + 1;
      else {
        if (other.start > from) result.push({ start: from, end: other.start });
        from = Math.max(from, other.end);
      }
    }
    if (from < span.end) result.push({ start: from, end: span.end });
  }
  return result;
}

export function spanOf(segment: Segment): Span {
  return { start: segment.start, end: endOf(segment) };
}

export function audioFiles(document: ProjectDocument): ReadonlyMap<string, AudioFile> {
  return new Map(document.media.flatMap((media) => (media.kind === "audio" ? [[media.id, media]] : [])));
}

/** Fades that fit into a duration; the fade in has precedence. */
export function fittingFades(fadeIn: number, fadeOut: number, duration: number): { fadeIn: number; fadeOut: number } {
  const first = Math.min(fadeIn, duration);
  return { fadeIn: first, fadeOut: Math.min(fadeOut, duration - first) };
}

function holdingLane<S extends Segment>(segments: S[]): Lane<S> {
  const resize = (segment: S, from: number, to: number): S => (from === segment.start && to === endOf(segment) ? segment : { ...segment, start: from, duration: to - from });
  return { segments, holds: true, headroom: () => LIMITS.frame, longest: () => LIMITS.frame, resize, part: resize };
}

function audioLane(segments: AudioSegment[], files: ReadonlyMap<string, AudioFile>): Lane<AudioSegment> {
  const rateOf = (segment: AudioSegment): number => files.get(segment.mediaId)?.sampleRate ?? 1;
  const resize = (segment: AudioSegment, from: number, to: number): AudioSegment => {
    const rate = rateOf(segment);
    // Rounded so that the last frame still has a sample of the file, in both directions.
    const moved = from >= segment.start ? sampleOfFrame(from - segment.start, rate) : -Math.ceil(((segment.start - from) * rate) / FRAMES_PER_SECOND);
    const duration = to - from;
    return { ...segment, start: from, duration, sourceStart: segment.sourceStart + moved, ...fittingFades(segment.fadeIn, segment.fadeOut, duration) };
  };
  return {
    segments,
    holds: false,
    headroom: (segment) => Math.floor((segment.sourceStart * FRAMES_PER_SECOND) / rateOf(segment)),
    longest: (segment) => {
      const file = files.get(segment.mediaId);
      return file === undefined ? segment.duration : framesFrom(file, segment.sourceStart);
    },
    resize,
    part: (segment, from, to) => {
      if (from === segment.start && to === endOf(segment)) return segment;
      const fadeIn = from === segment.start ? segment.fadeIn : 0;
      const fadeOut = to === endOf(segment) ? segment.fadeOut : 0;
      return resize({ ...segment, fadeIn, fadeOut }, from, to);
    },
  };
}
