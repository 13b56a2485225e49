import { LIMITS } from "./limits.ts";
import type { AudioSegment, MediaFile, ProjectDocument } from "./project-document.schema.ts";
import { endOf, framesFrom } from "./timeline.ts";

export type ViolationCode =
  /** Two segments, tracks, markers or files have the same id. */
  | "idTwice"
  /** A segment begins before the one before it ends, or a marker lies before the one before it. */
  | "outOfOrder"
  | "tooLong"
  | "mediaMissing"
  | "mediaWrongKind"
  /** A piece of sound begins or ends outside its recording. */
  | "outsideRecording"
  | "fadesTooLong"
  | "rangeEmpty";

/** A rule that a document breaks. `path` leads to the place, such as `audioTracks[0].segments[3]`. */
export type Violation = { readonly code: ViolationCode; readonly path: string };

/** A hostile file is not worth a longer list. */
const MOST_VIOLATIONS = 100;

/** The rules that the schema cannot say, in one pass over a document that it has accepted. At most a hundred violations; none for a valid document. */
export function violationsOf(document: ProjectDocument): Violation[] {
  const violations: Violation[] = [];
  const report = (code: ViolationCode, path: string): void => {
    if (violations.length < MOST_VIOLATIONS) violations.push({ code, path });
  };
  const files = new Map(document.media.map((media) => [media.id, media]));
  const segmentIds = new Set<string>();

  eachOnce(document.media, "media", new Set(), report);
  eachOnce(document.markers, "markers", new Set(), report);
  eachOnce(document.audioTracks, "audioTracks", new Set(), report);
  const tracks = [
    { path: "portraits", segments: document.portraits },
    { path: "prompts", segments: document.prompts },
    ...document.audioTracks.map((track, index) => ({ path: `audioTracks[${index}].segments`, segments: track.segments })),
  ];
  for (const { path, segments } of tracks) {
    eachOnce(segments, path, segmentIds, report);
    let end = 0;
    segments.forEach((segment, index) => {
      if (segment.start < end) report("outOfOrder", `${path}[${index}]`);
      end = Math.max(end, endOf(segment));
      if (end > LIMITS.frame) report("tooLong", `${path}[${index}]`);
    });
  }
  document.portraits.forEach((segment, index) => {
    const media = files.get(segment.mediaId);
    if (media?.kind !== "image") report(media === undefined ? "mediaMissing" : "mediaWrongKind", `portraits[${index}]`);
  });
  document.audioTracks.forEach((track, trackIndex) => {
    track.segments.forEach((segment, index) => {
      const code = wrongWithSound(segment, files.get(segment.mediaId));
      if (code !== null) report(code, `audioTracks[${trackIndex}].segments[${index}]`);
    });
  });
  document.markers.forEach((marker, index) => {
    if (marker.frame < (document.markers[index - 1]?.frame ?? 0)) report("outOfOrder", `markers[${index}]`);
  });
  if (document.range !== null && document.range.end <= document.range.start) report("rangeEmpty", "range");
  return violations;
}

function eachOnce(things: readonly { readonly id: string }[], path: string, seen: Set<string>, report: (code: ViolationCode, path: string) => void): void {
  things.forEach(({ id }, index) => {
    if (seen.has(id)) report("idTwice", `${path}[${index}]`);
    seen.add(id);
  });
}

function wrongWithSound(segment: AudioSegment, media: MediaFile | undefined): ViolationCode | null {
  if (media === undefined) return "mediaMissing";
  if (media.kind !== "audio") return "mediaWrongKind";
  if (segment.duration > framesFrom(media, segment.sourceStart)) return "outsideRecording";
  return segment.fadeIn + segment.fadeOut > segment.duration ? "fadesTooLong" : null;
}
