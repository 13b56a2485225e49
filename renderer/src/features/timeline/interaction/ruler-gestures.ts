import type { Marker } from "../../../../../electron/contract/document/project-document.schema.ts";
import { snapTargets } from "../../../../../electron/contract/document/snapping.ts";
import { timecode } from "../../../../../electron/contract/time.ts";
import { editGesture, type Gesture, type GestureTools, type PointerPlace } from "./gesture.ts";
import { snapped } from "./segment-gestures.ts";

const NOTHING: ReadonlySet<string> = new Set();

/** Drags the playhead. Esc brings it back. */
export function scrubGesture({ session }: GestureTools): Gesture {
  const before = session.playhead.get();
  session.transport.getState().transport?.pause();
  session.playhead.setScrubbing(true);
  return {
    cursor: "ew-resize",
    scrolls: "time",
    // The frame that the pointer is on, not the nearest edge: the picture shown is the one pointed at.
    move: (place) => session.playhead.set(Math.floor(place.frame)),
    finish: () => session.playhead.setScrubbing(false),
    cancel: () => {
      session.playhead.set(before);
      session.playhead.setScrubbing(false);
    },
  };
}

export function markerGesture(tools: GestureTools, marker: Marker, start: PointerPlace): Gesture {
  const { session } = tools;
  const { present } = session.editor.store.getState().history;
  const targets = snapTargets({ ...present, markers: present.markers.filter((one) => one.id !== marker.id) }, NOTHING, session.playhead.get());
  return editGesture(tools, "grabbing", "time", (place) => {
    const { delta, guide } = snapped(session, [marker.frame], place.frame - start.frame, targets, place);
    const frame = Math.max(0, marker.frame + delta);
    return {
      command: frame === marker.frame ? null : { type: "moveMarker", id: marker.id, frame },
      feedback: () => ({ guide: guide?.frame ?? null, label: timecode(frame) }),
    };
  });
}

/** Drags one end of the range, or draws a new one from where the drag began (`edge` null). */
export function rangeGesture(tools: GestureTools, edge: "start" | "end" | null, start: PointerPlace): Gesture {
  const { session } = tools;
  const { present } = session.editor.store.getState().history;
  const targets = snapTargets({ ...present, range: null }, NOTHING, session.playhead.get());
  const { range } = present;
  const moving = edge === null || range === null ? Math.round(start.frame) : range[edge];
  const fixed = edge === null || range === null ? moving : edge === "start" ? range.end : range.start;
  return editGesture(tools, "ew-resize", "time", (place) => {
    const { delta, guide } = snapped(session, [moving], place.frame - start.frame, targets, place);
    const frame = Math.max(0, moving + delta);
    const next = { start: Math.min(frame, fixed), end: Math.max(frame, fixed) };
    return {
      command: next.start === next.end ? null : { type: "setRange", range: next },
      feedback: () => ({ guide: guide?.frame ?? null, label: `${timecode(next.start)} – ${timecode(next.end)}  ${timecode(next.end - next.start)}` }),
    };
  });
}
