import { framesOfSamples } from "../time.ts";
import type { TrackAddress } from "./edit/commands.ts";
import type { AudioFile, AudioSegment, AudioTrack, MediaFile, PortraitSegment, ProjectDocument, PromptSegment } from "./project-document.schema.ts";

/** A segment together with the track it lies on. */
export type FoundSegment =
  | { readonly kind: "portrait"; readonly segment: PortraitSegment }
  | { readonly kind: "prompt"; readonly segment: PromptSegment }
  | { readonly kind: "audio"; readonly segment: AudioSegment; readonly track: AudioTrack };

type Span = { readonly start: number; readonly duration: number };

/** First frame after a segment. */
export function endOf(span: Span): number {
  return span.start + span.duration;
}

/** Frames of the video: up to the end of the last piece of sound. A muted track is silent but keeps its length, so that muting never shortens a video. */
export function framesOfProject(document: ProjectDocument): number {
  return Math.max(0, ...document.audioTracks.map((track) => lastEnd(track.segments)));
}

/** End of the last segment of a track, in frames; 0 for an empty track. */
export function lastEnd(segments: readonly Span[]): number {
  const last = segments[segments.length - 1];
  return last === undefined ? 0 : endOf(last);
}

/** Index of the first segment that starts after `frame`, by binary search; the number of segments when there is none. */
export function indexAfter(segments: readonly Pick<Span, "start">[], frame: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const segment = segments[middle];
    if (segment !== undefined && segment.start <= frame) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Portrait or prompt in force at a frame: the last one begun, or the first of all before that. Null on an empty track. */
export function segmentInForce<Segment extends Span>(segments: readonly Segment[], frame: number): Segment | null {
  return segments[Math.max(0, indexAfter(segments, frame) - 1)] ?? null;
}

export function findSegment(document: ProjectDocument, id: string): FoundSegment | null {
  const portrait = document.portraits.find((segment) => segment.id === id);
  if (portrait !== undefined) return { kind: "portrait", segment: portrait };
  const prompt = document.prompts.find((segment) => segment.id === id);
  if (prompt !== undefined) return { kind: "prompt", segment: prompt };
  for (const track of document.audioTracks) {
    const audio = track.segments.find((segment) => segment.id === id);
    if (audio !== undefined) return { kind: "audio", segment: audio, track };
  }
  return null;
}

export function addressOf(found: FoundSegment): TrackAddress {
  return found.kind === "audio" ? { kind: "audio", trackId: found.track.id } : { kind: found.kind };
}

export function findMedia(document: ProjectDocument, mediaId: string): MediaFile | null {
  return document.media.find((media) => media.id === mediaId) ?? null;
}

/** Frames that a recording lasts from a sample on; none when the sample lies outside. */
export function framesFrom(file: AudioFile, sourceStart: number): number {
  return sourceStart >= file.samples ? 0 : framesOfSamples(file.samples - sourceStart, file.sampleRate);
}
