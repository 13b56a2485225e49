import { LIMITS } from "../limits.ts";
import type { AudioTrack, ProjectDocument } from "../project-document.schema.ts";
import type { EditCommand, EditResult } from "./commands.ts";
import { done, isGain, isWhole, refuse } from "./results.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function addAudioTrack(document: ProjectDocument, { trackId, name, index }: Command<"addAudioTrack">): EditResult {
  if (document.audioTracks.length >= LIMITS.audioTracks) return refuse("tooMany");
  if (document.audioTracks.some((track) => track.id === trackId)) return refuse("idInUse");
  if (name.length > LIMITS.trackNameCharacters) return refuse("textTooLong");
  if (!isWhole(index, 0, document.audioTracks.length)) return refuse("numberInvalid");
  const track: AudioTrack = { id: trackId, name, muted: false, gainDecibels: 0, segments: [] };
  return done({ ...document, audioTracks: [...document.audioTracks.slice(0, index), track, ...document.audioTracks.slice(index)] });
}

export function removeAudioTrack(document: ProjectDocument, { trackId }: Command<"removeAudioTrack">): EditResult {
  const audioTracks = document.audioTracks.filter((track) => track.id !== trackId);
  if (audioTracks.length === document.audioTracks.length) return refuse("trackMissing");
  return audioTracks.length === 0 ? refuse("lastAudioTrack") : done({ ...document, audioTracks });
}

export function renameAudioTrack(document: ProjectDocument, { trackId, name }: Command<"renameAudioTrack">): EditResult {
  return name.length > LIMITS.trackNameCharacters ? refuse("textTooLong") : changeTrack(document, trackId, { name });
}

export function setTrackMuted(document: ProjectDocument, { trackId, muted }: Command<"setTrackMuted">): EditResult {
  return changeTrack(document, trackId, { muted });
}

export function setTrackGain(document: ProjectDocument, { trackId, gainDecibels }: Command<"setTrackGain">): EditResult {
  return isGain(gainDecibels) ? changeTrack(document, trackId, { gainDecibels }) : refuse("numberInvalid");
}

function changeTrack(document: ProjectDocument, trackId: string, change: { name: string } | { muted: boolean } | { gainDecibels: number }): EditResult {
  const track = document.audioTracks.find((one) => one.id === trackId);
  if (track === undefined) return refuse("trackMissing");
  if (Object.entries(change).every(([key, value]) => track[key] === value)) return done(document);
  return done({ ...document, audioTracks: document.audioTracks.map((one) => (one === track ? { ...track, ...change } : one)) });
}
