import { LIMITS } from "../limits.ts";
import type { AudioSegment, ProjectDocument } from "../project-document.schema.ts";
import { findMedia, findSegment, framesFrom } from "../timeline.ts";
import type { EditCommand, EditResult } from "./commands.ts";
import { fittingFades } from "./lanes.ts";
import { clamp, done, isFrame, isGain, refuse } from "./results.ts";
import { select } from "./selection.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function setPromptText(document: ProjectDocument, { id, text }: Command<"setPromptText">): EditResult {
  if (text.length > LIMITS.promptCharacters) return refuse("textTooLong");
  const found = findSegment(document, id);
  if (found === null) return refuse("segmentMissing");
  if (found.kind !== "prompt") return refuse("notPrompt");
  if (found.segment.text === text) return done(document);
  return done({ ...document, prompts: document.prompts.map((segment) => (segment.id === id ? { ...segment, text } : segment)) });
}

export function setSegmentMedia(document: ProjectDocument, { id, mediaId }: Command<"setSegmentMedia">): EditResult {
  const found = findSegment(document, id);
  if (found === null) return refuse("segmentMissing");
  if (found.kind === "prompt") return refuse("notMedia");
  const media = findMedia(document, mediaId);
  if (media === null) return refuse("mediaMissing");
  if (found.segment.mediaId === mediaId) return done(document);
  if (found.kind === "portrait") {
    if (media.kind !== "image") return refuse("mediaWrongKind");
    return done({ ...document, portraits: document.portraits.map((segment) => (segment.id === id ? { ...segment, mediaId } : segment)) });
  }
  if (media.kind !== "audio") return refuse("mediaWrongKind");
  return done(
    changeSound(document, new Set([id]), (segment) => {
      const duration = Math.min(segment.duration, framesFrom(media, 0));
      return { ...segment, mediaId, sourceStart: 0, duration, ...fittingFades(segment.fadeIn, segment.fadeOut, duration) };
    }),
  );
}

export function setSegmentGain(document: ProjectDocument, { ids, gainDecibels }: Command<"setSegmentGain">): EditResult {
  if (!isGain(gainDecibels)) return refuse("numberInvalid");
  const selection = select(document, ids);
  if (typeof selection === "string") return refuse(selection);
  if (selection.portraits.length > 0 || selection.prompts.length > 0) return refuse("notAudio");
  return done(changeSound(document, selection.ids, (segment) => (segment.gainDecibels === gainDecibels ? segment : { ...segment, gainDecibels })));
}

export function setFade(document: ProjectDocument, { id, edge, frames }: Command<"setFade">): EditResult {
  if (!isFrame(frames)) return refuse("numberInvalid");
  const found = findSegment(document, id);
  if (found === null) return refuse("segmentMissing");
  if (found.kind !== "audio") return refuse("notAudio");
  return done(
    changeSound(document, new Set([id]), (segment) => {
      const fadeIn = edge === "in" ? clamp(frames, 0, segment.duration - segment.fadeOut) : segment.fadeIn;
      const fadeOut = edge === "out" ? clamp(frames, 0, segment.duration - segment.fadeIn) : segment.fadeOut;
      return fadeIn === segment.fadeIn && fadeOut === segment.fadeOut ? segment : { ...segment, fadeIn, fadeOut };
    }),
  );
}

/** Changes some pieces of sound; all that stays the same stays the same object. */
function changeSound(document: ProjectDocument, ids: ReadonlySet<string>, change: (segment: AudioSegment) => AudioSegment): ProjectDocument {
  const audioTracks = document.audioTracks.map((track) => {
    const segments = track.segments.map((segment) => (ids.has(segment.id) ? change(segment) : segment));
    return segments.every((segment, index) => segment === track.segments[index]) ? track : { ...track, segments };
  });
  return audioTracks.every((track, index) => track === document.audioTracks[index]) ? document : { ...document, audioTracks };
}
