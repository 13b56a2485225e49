import type { EditorSession } from "../../../editor/editor-session.ts";
import { segmentsOf } from "../geometry/hit-test.ts";
import type { Row } from "../geometry/rows.ts";
import { spansWithin } from "../geometry/visible.ts";
import type { Gesture, GestureTools, PointerPlace } from "./gesture.ts";

/** Draws a rectangle and selects what it touches; with Shift or Ctrl in addition to what was selected. */
export function marqueeGesture({ session, overlay, rows, highlight }: GestureTools, start: PointerPlace): Gesture {
  const before = session.editor.store.getState().selection;
  const kept: ReadonlySet<string> = start.shift || start.mod ? before : new Set();
  // The rest of the page learns of it once, at the end: it need not follow every move.
  let chosen = before;
  return {
    cursor: "crosshair",
    scrolls: "both",
    move: (place) => {
      const marquee = {
        startFrame: Math.min(start.frame, place.frame),
        endFrame: Math.max(start.frame, place.frame),
        top: Math.max(0, Math.min(start.y, place.y)),
        bottom: Math.max(start.y, place.y),
      };
      overlay.show({ marquee });
      chosen = new Set([...kept, ...touched(session, rows(), marquee)]);
      highlight(chosen);
    },
    finish: () => {
      overlay.clear();
      highlight(null);
      session.editor.select(chosen);
    },
    cancel: () => {
      overlay.clear();
      highlight(null);
    },
  };
}

function* touched(session: EditorSession, rows: readonly Row[], box: { readonly startFrame: number; readonly endFrame: number; readonly top: number; readonly bottom: number }): Generator<string> {
  const { present } = session.editor.store.getState().history;
  const { locked } = session.tracks.store.getState();
  for (const row of rows) {
    if (row.track.kind === "output" || locked.has(row.key) || row.top >= box.bottom || row.top + row.height <= box.top) continue;
    for (const { id } of spansWithin(segmentsOf(present, row.track), box.startFrame, box.endFrame)) yield id;
  }
}

/** Middle mouse button: drags the view. */
export function panGesture({ session }: GestureTools, start: PointerPlace): Gesture {
  const { scale } = session.view.store.getState();
  return {
    cursor: "grabbing",
    scrolls: "none",
    move: (place) => session.view.setScale(() => ({ ...scale, scroll: scale.scroll - (place.x - start.x) / scale.pixelsPerFrame })),
    finish: () => undefined,
    cancel: () => session.view.setScale(() => scale),
  };
}
