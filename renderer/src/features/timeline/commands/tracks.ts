import type { TrackAddress } from "../../../../../electron/contract/document/edit/commands.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { trackKey } from "../../../editor/track-states.ts";
import { segmentsOf } from "../geometry/hit-test.ts";
import type { TrackRef } from "../geometry/rows.ts";
import { selectedSegments } from "./selected.ts";

/** Locks a track or unlocks it. What is locked is not chosen any more. */
export function lockTrack(session: EditorSession, track: TrackRef, locked: boolean): void {
  if (track.kind === "output") return;
  session.tracks.setLocked(trackKey(track), locked);
  if (!locked) return;
  const { history, selection } = session.editor.store.getState();
  const own = new Set(segmentsOf(history.present, track).map(({ id }) => id));
  if ([...selection].some((id) => own.has(id))) session.editor.select([...selection].filter((id) => !own.has(id)));
}

/** The tracks of what is chosen: of a chosen track itself, or of the chosen segments. */
export function chosenTracks(session: EditorSession): readonly TrackAddress[] {
  const { focus } = session.editor.store.getState();
  if (focus?.kind === "track") return [{ kind: "audio", trackId: focus.trackId }];
  const tracks = selectedSegments(session).map((found): TrackAddress => (found.kind === "audio" ? { kind: "audio", trackId: found.track.id } : { kind: found.kind }));
  return [...new Map(tracks.map((track) => [trackKey(track), track])).values()];
}

/** Locks the chosen tracks, or unlocks them when all are locked. */
export function toggleLock(session: EditorSession): void {
  const tracks = chosenTracks(session);
  const { locked } = session.tracks.store.getState();
  const all = tracks.every((track) => locked.has(trackKey(track)));
  for (const track of tracks) lockTrack(session, track, !all);
}
