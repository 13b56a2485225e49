import { LIMITS } from "../limits.ts";
import type { AudioFile, AudioSegment, MediaFile, ProjectDocument } from "../project-document.schema.ts";
import { findMedia, framesFrom } from "../timeline.ts";
import type { EditCommand, EditResult } from "./commands.ts";
import { fittingFades } from "./lanes.ts";
import { done, refuse } from "./results.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function addMedia(document: ProjectDocument, { media }: Command<"addMedia">): EditResult {
  if (document.media.length >= LIMITS.media) return refuse("tooMany");
  if (findMedia(document, media.id) !== null) return refuse("idInUse");
  return done({ ...document, media: [...document.media, media] });
}

export function replaceMedia(document: ProjectDocument, { mediaId, media }: Command<"replaceMedia">): EditResult {
  const old = findMedia(document, mediaId);
  if (old === null) return refuse("mediaMissing");
  if (old.kind !== media.kind) return refuse("mediaWrongKind");
  const replaced = withMedia(document, { ...media, id: mediaId });
  if (old.kind !== "audio" || media.kind !== "audio") return done(replaced);
  const audioTracks = document.audioTracks.map((track) => {
    if (!track.segments.some((segment) => segment.mediaId === mediaId)) return track;
    return { ...track, segments: track.segments.flatMap((segment) => (segment.mediaId === mediaId ? onOtherFile(segment, old, media) : [segment])) };
  });
  return done({ ...replaced, audioTracks });
}

export function renameMedia(document: ProjectDocument, { mediaId, name }: Command<"renameMedia">): EditResult {
  if (name.length === 0) return refuse("nameEmpty");
  if (name.length > LIMITS.mediaNameCharacters) return refuse("textTooLong");
  const media = findMedia(document, mediaId);
  if (media === null) return refuse("mediaMissing");
  return done(media.name === name ? document : withMedia(document, { ...media, name }));
}

export function removeMedia(document: ProjectDocument, { mediaId }: Command<"removeMedia">): EditResult {
  if (findMedia(document, mediaId) === null) return refuse("mediaMissing");
  if (usedMedia(document).has(mediaId)) return refuse("mediaInUse");
  return done({ ...document, media: document.media.filter((media) => media.id !== mediaId) });
}

export function removeUnusedMedia(document: ProjectDocument): EditResult {
  const used = usedMedia(document);
  // Captions belong to the whole video: no segment uses them.
  const media = document.media.filter((one) => one.kind === "captions" || used.has(one.id));
  return done(media.length === document.media.length ? document : { ...document, media });
}

/** Ids of the media that a segment uses. */
export function usedMedia(document: ProjectDocument): ReadonlySet<string> {
  const segments = [...document.portraits, ...document.audioTracks.flatMap((track) => track.segments)];
  return new Set(segments.map((segment) => segment.mediaId));
}

function withMedia(document: ProjectDocument, media: MediaFile): ProjectDocument {
  return { ...document, media: document.media.map((one) => (one.id === media.id ? media : one)) };
}

/** The same place in time of another recording; nothing when that is shorter. */
function onOtherFile(segment: AudioSegment, old: AudioFile, file: AudioFile): AudioSegment[] {
  const sourceStart = old.sampleRate === file.sampleRate ? segment.sourceStart : Math.floor((segment.sourceStart * file.sampleRate) / old.sampleRate);
  const duration = Math.min(segment.duration, framesFrom(file, sourceStart));
  return duration === 0 ? [] : [{ ...segment, sourceStart, duration, ...fittingFades(segment.fadeIn, segment.fadeOut, duration) }];
}
