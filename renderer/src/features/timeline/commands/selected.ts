import type { Ripple, TrackAddress, TrimMode } from "../../../../../electron/contract/document/edit/commands.ts";
import { addressOf, endOf, type FoundSegment } from "../../../../../electron/contract/document/timeline.ts";
import type { ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { AnySegment } from "../geometry/hit-test.ts";
import { trackKey } from "../../../editor/track-states.ts";

/** All segments of a document with their tracks, from the top track to the bottom one. */
export function allSegments(document: ProjectDocument): readonly FoundSegment[] {
  return [
    ...document.portraits.map((segment): FoundSegment => ({ kind: "portrait", segment })),
    ...document.prompts.map((segment): FoundSegment => ({ kind: "prompt", segment })),
    ...document.audioTracks.flatMap((track) => track.segments.map((segment): FoundSegment => ({ kind: "audio", segment, track }))),
  ];
}

export function selectedSegments(session: EditorSession): readonly FoundSegment[] {
  const { history, selection } = session.editor.store.getState();
  return selection.size === 0 ? [] : allSegments(history.present).filter(({ segment }) => selection.has(segment.id));
}

/** All segments that edits may change: those of locked tracks are left out. */
export function freeSegments(session: EditorSession): readonly FoundSegment[] {
  const { locked } = session.tracks.store.getState();
  return allSegments(session.editor.store.getState().history.present).filter((found) => !locked.has(trackKey(addressOf(found))));
}

/** The tracks that edits may change. */
export function freeTracks(session: EditorSession): readonly TrackAddress[] {
  const { locked } = session.tracks.store.getState();
  const { audioTracks } = session.editor.store.getState().history.present;
  const tracks: TrackAddress[] = [{ kind: "portrait" }, { kind: "prompt" }, ...audioTracks.map(({ id }) => ({ kind: "audio", trackId: id }) as const)];
  return tracks.filter((track) => !locked.has(trackKey(track)));
}

export const covers = (segment: AnySegment, frame: number): boolean => segment.start < frame && frame < endOf(segment);

/**
 * What a cut at the playhead means: the selected segments under it, or, when none is, the sound under it, which is what
 * people cut; then the prompt, then the portrait.
 */
export function cutTargets(session: EditorSession): readonly FoundSegment[] {
  const frame = session.playhead.get();
  const chosen = selectedSegments(session).filter(({ segment }) => covers(segment, frame));
  if (chosen.length > 0) return chosen;
  const under = freeSegments(session).filter(({ segment }) => covers(segment, frame));
  for (const kind of ["audio", "prompt", "portrait"] as const) {
    const found = under.filter((one) => one.kind === kind);
    if (found.length > 0) return found;
  }
  return [];
}

/**
 * Tracks that close up: with sound, all of them, since pictures and prompts belong to what is said; prompts or portraits
 * alone close up on their own track and leave the sound in place.
 */
export function rippleOf(segments: readonly FoundSegment[]): Ripple {
  const tracks = new Set(segments.map((found) => trackKey(addressOf(found))));
  return tracks.size === 1 && segments[0]?.kind !== "audio" ? "track" : "all";
}

/** How dragging an edge treats later segments. */
export function trimMode(track: TrackAddress, ripple: boolean): TrimMode {
  if (!ripple) return "stop";
  return track.kind === "audio" ? "rippleAll" : "rippleTrack";
}
