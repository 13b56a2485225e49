import type { EditCommand } from "../../../../../electron/contract/document/edit/commands.ts";
import { addressOf, endOf } from "../../../../../electron/contract/document/timeline.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { newId } from "../../../editor/new-id.ts";
import { covers, cutTargets, freeSegments, freeTracks, rippleOf, selectedSegments, trimMode } from "./selected.ts";

/** Cuts at the playhead: the selected segments it lies on, or everything under it. */
export function splitAtPlayhead(session: EditorSession): void {
  const frame = session.playhead.get();
  const ids = selectedSegments(session)
    .filter(({ segment }) => covers(segment, frame))
    .map(({ segment }) => segment.id);
  if (ids.length > 0) session.editor.edit({ type: "split", frame, target: { kind: "segments", ids } });
  else session.editor.edit({ type: "split", frame, target: { kind: "tracks", tracks: freeTracks(session) } });
}

/** Moves the start or the end of what lies under the playhead to it. */
export function trimToPlayhead(session: EditorSession, edge: "start" | "end"): void {
  const toFrame = session.playhead.get();
  const { ripple } = session.view.store.getState();
  const targets = cutTargets(session);
  const commands = targets.map((found): EditCommand => ({ type: "trimSegment", id: found.segment.id, edge, toFrame, mode: trimMode(addressOf(found), ripple) }));
  // What was under the playhead has moved to where the trimmed part began: the playhead stays on the same picture.
  if (session.editor.edit(commands) && ripple && edge === "start") session.playhead.set(Math.min(...targets.map(({ segment }) => segment.start)));
}

/** Moves one edge of the selected segments by some frames, as a key does. */
export function trimSelection(session: EditorSession, edge: "start" | "end", byFrames: number): void {
  const { ripple } = session.view.store.getState();
  session.editor.edit(
    selectedSegments(session).map((found): EditCommand => {
      const { segment } = found;
      return { type: "trimSegment", id: segment.id, edge, toFrame: (edge === "start" ? segment.start : endOf(segment)) + byFrames, mode: trimMode(addressOf(found), ripple) };
    }),
  );
}

/** Deletes what is selected, a chosen marker included. Ripple closes the gap. */
export function deleteSelection(session: EditorSession, ripple: boolean): void {
  const { focus } = session.editor.store.getState();
  if (focus?.kind === "marker") {
    session.editor.edit({ type: "removeMarkers", ids: [focus.id] });
    return;
  }
  const segments = selectedSegments(session);
  if (segments.length === 0) return;
  session.editor.edit({ type: "deleteSegments", ids: segments.map(({ segment }) => segment.id), ripple: ripple ? rippleOf(segments) : "none" });
}

export function moveSelection(session: EditorSession, byFrames: number, byTracks: number): void {
  const ids = [...session.editor.store.getState().selection];
  if (ids.length > 0) session.editor.edit({ type: "moveSegments", ids, byFrames, byTracks });
}

export function duplicateSelection(session: EditorSession): void {
  const segments = selectedSegments(session);
  if (segments.length === 0) return;
  const ripple = session.view.store.getState().ripple ? rippleOf(segments) : "none";
  session.editor.edit({ type: "duplicateSegments", ids: segments.map(({ segment }) => segment.id), ripple }, { selectCreated: true });
}

export function cutSelection(session: EditorSession): void {
  if (session.editor.copy()) deleteSelection(session, session.view.store.getState().ripple);
}

/** Pastes at the playhead, which then stands behind what was pasted, so that pasting again continues. */
export function paste(session: EditorSession): void {
  const { clipboard, focus } = session.editor.store.getState();
  if (clipboard === null) return;
  const start = session.playhead.get();
  const selectedTrack = selectedSegments(session).flatMap((found) => (found.kind === "audio" ? [found.track.id] : []))[0];
  const trackId = focus?.kind === "track" ? focus.trackId : (selectedTrack ?? null);
  const ripple = session.view.store.getState().ripple ? "all" : "none";
  if (session.editor.edit({ type: "paste", clipboard, start, trackId, ripple }, { selectCreated: true })) session.playhead.set(start + clipboard.frames);
}

export function selectAll(session: EditorSession): void {
  session.editor.select(freeSegments(session).map(({ segment }) => segment.id));
}

/** A marker at the playhead; it is selected, so that its name can be typed. */
export function addMarker(session: EditorSession, label: string): void {
  const frame = session.playhead.get();
  const { history } = session.editor.store.getState();
  const there = history.present.markers.find((marker) => marker.frame === frame);
  if (there === undefined && !session.editor.edit({ type: "addMarker", frame, label })) return;
  const marker = session.editor.store.getState().history.present.markers.find((one) => one.frame === frame);
  if (marker !== undefined) session.editor.focusOn({ kind: "marker", id: marker.id });
}

export function setRangeStart(session: EditorSession): void {
  const start = session.playhead.get();
  const { range } = session.editor.store.getState().history.present;
  const { length } = session.view.store.getState();
  // An in point behind the out point moves the out point to the end.
  const end = range !== null && range.end > start ? range.end : Math.max(length, start + 1);
  session.editor.edit({ type: "setRange", range: { start, end } });
}

/** The frame under the playhead is the last one of the range. */
export function setRangeEnd(session: EditorSession): void {
  const end = session.playhead.get() + 1;
  const { range } = session.editor.store.getState().history.present;
  session.editor.edit({ type: "setRange", range: { start: range !== null && range.start < end ? range.start : 0, end } });
}

export function clearRange(session: EditorSession): void {
  session.editor.edit({ type: "setRange", range: null });
}

/** The range around what is selected. */
export function rangeOfSelection(session: EditorSession): void {
  const segments = selectedSegments(session).map(({ segment }) => segment);
  if (segments.length === 0) return;
  session.editor.edit({ type: "setRange", range: { start: Math.min(...segments.map((segment) => segment.start)), end: Math.max(...segments.map(endOf)) } });
}

export function addAudioTrack(session: EditorSession, name: string): void {
  const { audioTracks } = session.editor.store.getState().history.present;
  session.editor.edit({ type: "addAudioTrack", trackId: newId(), name, index: audioTracks.length });
}
