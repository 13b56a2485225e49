import { endOf } from "../../../../../electron/contract/document/timeline.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { fitSpan, reveal, zoomAt, xOfFrame } from "../../../editor/scale.ts";
import { shuttleRate } from "../../../editor/transport.ts";
import { allSegments, selectedSegments } from "./selected.ts";

/** Puts the playhead somewhere, keeps it in sight, and stops playing. */
export function seek(session: EditorSession, frame: number): void {
  session.transport.getState().transport?.pause();
  session.playhead.set(frame);
  session.view.setScale((scale, view) => reveal(scale, session.playhead.get(), view.width, view.length));
}

/** Moves by frames. The player, when there is one, shows exactly the next picture. */
export function step(session: EditorSession, frames: number): void {
  const { transport } = session.transport.getState();
  if (transport === null) {
    seek(session, session.playhead.get() + frames);
    return;
  }
  transport.step(frames);
  session.view.setScale((scale, view) => reveal(scale, session.playhead.get(), view.width, view.length));
}

/** The end of everything; from there the last frame is one step back. */
export function seekEnd(session: EditorSession): void {
  seek(session, session.view.store.getState().length);
}

/** To the nearest edge of a segment before or after the playhead. */
export function seekEdit(session: EditorSession, direction: 1 | -1): void {
  const edges = allSegments(session.editor.store.getState().history.present).flatMap(({ segment }) => [segment.start, endOf(segment)]);
  seekNearest(session, [0, ...edges], direction);
}

export function seekMarker(session: EditorSession, direction: 1 | -1): void {
  seekNearest(
    session,
    session.editor.store.getState().history.present.markers.map((marker) => marker.frame),
    direction,
  );
}

function seekNearest(session: EditorSession, frames: readonly number[], direction: 1 | -1): void {
  const now = session.playhead.get();
  let nearest: number | null = null;
  for (const frame of frames) {
    const distance = (frame - now) * direction;
    if (distance > 0 && (nearest === null || distance < (nearest - now) * direction)) nearest = frame;
  }
  if (nearest !== null) seek(session, nearest);
}

/** Zooms around the playhead when it is in sight, else around the middle. */
export function zoomBy(session: EditorSession, factor: number): void {
  session.view.setScale((scale, { width, length }) => {
    const x = xOfFrame(scale, session.playhead.get());
    return zoomAt(scale, factor, x >= 0 && x <= width ? x : width / 2, width, length);
  });
}

export function zoomToFit(session: EditorSession): void {
  session.view.setScale((_, { width, length }) => fitSpan(0, Math.max(length, 250), width, length));
}

/** Shows what is selected as large as it fits; everything when nothing is. */
export function zoomToSelection(session: EditorSession): void {
  const segments = selectedSegments(session).map(({ segment }) => segment);
  if (segments.length === 0) {
    zoomToFit(session);
    return;
  }
  const [start, end] = [Math.min(...segments.map((segment) => segment.start)), Math.max(...segments.map(endOf))];
  session.view.setScale((_, { width, length }) => fitSpan(start, end, width, length));
}

export function togglePlaying(session: EditorSession): void {
  const { transport } = session.transport.getState();
  if (transport === null) return;
  if (transport.state.getState().kind === "playing") transport.pause();
  else transport.play(1);
}

/** J and L: each press plays faster in its direction. */
export function shuttle(session: EditorSession, direction: 1 | -1): void {
  const { transport } = session.transport.getState();
  transport?.play(shuttleRate(transport.state.getState(), direction));
}
