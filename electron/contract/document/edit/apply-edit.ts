import { assertNever } from "../../assert-never.ts";
import { LIMITS } from "../limits.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import { lastEnd } from "../timeline.ts";
import { addAudioTrack, removeAudioTrack, renameAudioTrack, setTrackGain, setTrackMuted } from "./audio-tracks.ts";
import type { EditCommand, EditResult, NewId, RefusalReason } from "./commands.ts";
import { addMarker, moveMarker, removeMarkers, renameMarker, setRange } from "./markers.ts";
import { addMedia, removeMedia, removeUnusedMedia, renameMedia, replaceMedia } from "./media.ts";
import { addSegment, duplicateSegments, moveSegments, paste } from "./place-segments.ts";
import { changeQuality, changeSettings, renameProject } from "./project-settings.ts";
import { deleteSegments } from "./remove-segments.ts";
import { done, refuse } from "./results.ts";
import { setFade, setPromptText, setSegmentGain, setSegmentMedia } from "./segment-properties.ts";
import { split } from "./split-segments.ts";
import { trimSegment } from "./trim-segment.ts";

/**
 * The document after one edit, or why it cannot be. Never changes the document it is given; what an edit does not touch is shared.
 * The result of an edit of a valid document is valid.
 */
export function applyEdit(document: ProjectDocument, command: EditCommand, newId: NewId): EditResult {
  const result = command.type === "batch" ? applyAll(document, command.commands, newId) : applyOne(document, command, newId);
  if (result.refused !== null) return result;
  const reason = whyTooBig(result.document);
  return reason === null ? result : refuse(reason);
}

function applyAll(document: ProjectDocument, commands: readonly EditCommand[], newId: NewId): EditResult {
  let present = document;
  const created: string[] = [];
  for (const command of commands) {
    const result = applyEdit(present, command, newId);
    if (result.refused !== null) return result;
    present = result.document;
    created.push(...result.created);
  }
  return done(present, created);
}

function applyOne(document: ProjectDocument, command: Exclude<EditCommand, { type: "batch" }>, newId: NewId): EditResult {
  switch (command.type) {
    case "addSegment":
      return addSegment(document, command, newId);
    case "moveSegments":
      return moveSegments(document, command, newId);
    case "trimSegment":
      return trimSegment(document, command, newId);
    case "split":
      return split(document, command, newId);
    case "deleteSegments":
      return deleteSegments(document, command);
    case "duplicateSegments":
      return duplicateSegments(document, command, newId);
    case "paste":
      return paste(document, command, newId);
    case "setPromptText":
      return setPromptText(document, command);
    case "setSegmentMedia":
      return setSegmentMedia(document, command);
    case "setSegmentGain":
      return setSegmentGain(document, command);
    case "setFade":
      return setFade(document, command);
    case "addAudioTrack":
      return addAudioTrack(document, command);
    case "removeAudioTrack":
      return removeAudioTrack(document, command);
    case "renameAudioTrack":
      return renameAudioTrack(document, command);
    case "setTrackMuted":
      return setTrackMuted(document, command);
    case "setTrackGain":
      return setTrackGain(document, command);
    case "addMarker":
      return addMarker(document, command, newId);
    case "moveMarker":
      return moveMarker(document, command);
    case "renameMarker":
      return renameMarker(document, command);
    case "removeMarkers":
      return removeMarkers(document, command);
    case "setRange":
      return setRange(document, command);
    case "addMedia":
      return addMedia(document, command);
    case "replaceMedia":
      return replaceMedia(document, command);
    case "renameMedia":
      return renameMedia(document, command);
    case "removeMedia":
      return removeMedia(document, command);
    case "removeUnusedMedia":
      return removeUnusedMedia(document);
    case "renameProject":
      return renameProject(document, command);
    case "changeSettings":
      return changeSettings(document, command);
    case "changeQuality":
      return changeQuality(document, command);
    default:
      return assertNever(command);
  }
}

/** What any edit may run into, checked once for all of them. Tracks are sorted, so a look at their ends is enough. */
function whyTooBig(document: ProjectDocument): RefusalReason | null {
  const tracks = [document.portraits, document.prompts, ...document.audioTracks.map((track) => track.segments)];
  if (tracks.some((segments) => segments.length > LIMITS.segmentsPerTrack) || document.media.length > LIMITS.media) return "tooMany";
  const lastMarker = document.markers[document.markers.length - 1]?.frame ?? 0;
  return lastMarker > LIMITS.frame || tracks.some((segments) => lastEnd(segments) > LIMITS.frame) ? "tooLong" : null;
}
