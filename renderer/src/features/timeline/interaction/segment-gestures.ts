import type { EditCommand, TrackAddress } from "../../../../../electron/contract/document/edit/commands.ts";
import type { AudioSegment } from "../../../../../electron/contract/document/project-document.schema.ts";
import { copySegments } from "../../../../../electron/contract/document/edit/clipboard.ts";
import { edgesOf, type Snap, snap, type SnapTargets, snapTargets } from "../../../../../electron/contract/document/snapping.ts";
import { endOf, findSegment } from "../../../../../electron/contract/document/timeline.ts";
import { LIMITS } from "../../../../../electron/contract/document/limits.ts";
import { timecode } from "../../../../../electron/contract/time.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { trimMode } from "../commands/selected.ts";
import { segmentBand } from "../geometry/handles.ts";
import { decibelsOfShare } from "../geometry/loudness.ts";
import type { Row } from "../geometry/rows.ts";
import { type AnySegment, type Hit, isAudio } from "../geometry/hit-test.ts";
import { editGesture, type Gesture, type GestureTools, NO_GESTURE, type PointerPlace } from "./gesture.ts";

const signed = (frames: number): string => `${frames < 0 ? "−" : "+"}${timecode(Math.abs(frames))}`;

/** Snaps unless Alt is held or snapping is off. */
export function snapped(session: EditorSession, edges: readonly number[], delta: number, targets: SnapTargets, place: PointerPlace): Snap {
  const { snapping, scale } = session.view.store.getState();
  return snapping && !place.alt ? snap(edges, delta, targets, scale.pixelsPerFrame) : { delta: Math.round(delta), guide: null };
}

/** The drag that begins on a part of a segment. */
export function gestureOfPart(tools: GestureTools, { segment, track, row, part }: Extract<Hit, { kind: "segment" }>, place: PointerPlace): Gesture {
  switch (part) {
    case "body":
      return place.alt ? copyGesture(tools, segment, place) : moveGesture(tools, segment, place);
    case "start":
    case "end":
      return trimGesture(tools, track, segment, part, false, place);
    case "rollStart":
    case "rollEnd":
      return trimGesture(tools, track, segment, part === "rollStart" ? "start" : "end", true, place);
    case "fadeIn":
    case "fadeOut":
      return isAudio(segment) ? fadeGesture(tools, segment, part === "fadeIn" ? "in" : "out") : NO_GESTURE;
    case "gain":
      return isAudio(segment) ? gainGesture(tools, segment, row) : NO_GESTURE;
  }
}

/** Moves the selected segments; those of sound also to other tracks. */
function moveGesture(tools: GestureTools, grasped: AnySegment, start: PointerPlace): Gesture {
  const { session } = tools;
  const { history, selection } = session.editor.store.getState();
  const ids = [...selection];
  const stepsAt = groupSteps(tools, start, snapTargets(history.present, selection, session.playhead.get()));
  return editGesture(tools, "grabbing", "both", (place) => {
    const { byFrames, byTracks, guide } = stepsAt(place);
    return {
      command: byFrames === 0 && byTracks === 0 ? null : { type: "moveSegments", ids, byFrames, byTracks },
      feedback: () => ({ guide, label: `${timecode(grasped.start + byFrames)}  ${signed(byFrames)}` }),
    };
  });
}

/** A drag begun with Alt leaves the selected segments where they are and brings a copy of them to where it ends. */
function copyGesture(tools: GestureTools, grasped: AnySegment, start: PointerPlace): Gesture {
  const { session } = tools;
  const { history, selection } = session.editor.store.getState();
  const { present } = history;
  const clipboard = copySegments(present, [...selection]);
  if (clipboard === null) return NO_GESTURE;
  const stepsAt = groupSteps(tools, start, snapTargets(present, new Set(), session.playhead.get()));
  const extentStart = edgesOf(present, selection)[0] ?? 0;
  const topTrack = present.audioTracks.findIndex((track) => track.segments.some((segment) => selection.has(segment.id)));
  let released = false;
  return editGesture(
    tools,
    "copy",
    "both",
    (place) => {
      // The Alt that began the drag says that it copies; pressed again, it lets go of what snaps.
      released ||= !place.alt;
      const { byFrames, byTracks, guide } = stepsAt({ ...place, alt: place.alt && released });
      const trackId = present.audioTracks[Math.max(0, topTrack + byTracks)]?.id ?? null;
      return {
        command: byFrames === 0 && byTracks === 0 ? null : { type: "paste", clipboard, start: extentStart + byFrames, trackId, ripple: "none" },
        feedback: () => ({ guide, label: `+  ${timecode(grasped.start + byFrames)}  ${signed(byFrames)}` }),
      };
    },
    { label: { key: "edit.duplicateSegments", values: { count: selection.size } }, selectCreated: true },
  );
}

interface Steps {
  readonly byFrames: number;
  /** Audio tracks downwards. */
  readonly byTracks: number;
  readonly guide: number | null;
}

/** How far the selected segments go as a group when the pointer goes somewhere. */
function groupSteps(tools: GestureTools, start: PointerPlace, targets: SnapTargets): (place: PointerPlace) => Steps {
  const { session } = tools;
  const { history, selection } = session.editor.store.getState();
  const edges = edgesOf(history.present, selection);
  const first = audioIndex(tools, start.row);
  return (place) => {
    const { delta, guide } = snapped(session, edges, place.frame - start.frame, targets, place);
    const over = audioIndex(tools, place.row);
    // The group stops at the beginning, whatever the pointer does.
    const byFrames = Math.max(delta, -(edges[0] ?? 0));
    return { byFrames, byTracks: first === null || over === null ? 0 : over - first, guide: byFrames === delta ? (guide?.frame ?? null) : null };
  };
}

/** Place of a row among the audio tracks; null for others. */
function audioIndex(tools: GestureTools, row: Row | null): number | null {
  if (row?.track.kind !== "audio") return null;
  const { trackId } = row.track;
  return tools.session.editor.store.getState().history.present.audioTracks.findIndex((track) => track.id === trackId);
}

/** Moves one edge; with `roll`, the touching edge of the neighbour as well. */
function trimGesture(tools: GestureTools, track: TrackAddress, segment: AnySegment, edge: "start" | "end", roll: boolean, start: PointerPlace): Gesture {
  const { session } = tools;
  const { present } = session.editor.store.getState().history;
  const targets = snapTargets(present, new Set([segment.id]), session.playhead.get());
  const from = edge === "start" ? segment.start : endOf(segment);
  const mode = roll ? "roll" : trimMode(track, session.view.store.getState().ripple);
  return editGesture(tools, "ew-resize", "time", (place) => {
    const { delta, guide } = snapped(session, [from], place.frame - start.frame, targets, place);
    const toFrame = Math.max(0, from + delta);
    return {
      command: delta === 0 ? null : { type: "trimSegment", id: segment.id, edge, toFrame, mode },
      feedback: () => {
        const shown = findSegment(session.editor.shown.getState().document, segment.id)?.segment ?? segment;
        const stopped = (mode === "stop" || mode === "roll") && (edge === "start" ? shown.start : endOf(shown)) !== toFrame;
        return { guide: stopped ? null : (guide?.frame ?? null), label: `${timecode(shown.duration)}  ${signed(shown.duration - segment.duration)}` };
      },
    };
  });
}

/** Drags the handle at a corner of a sound segment. */
function fadeGesture(tools: GestureTools, segment: AudioSegment, edge: "in" | "out"): Gesture {
  const { session } = tools;
  return editGesture(tools, "ew-resize", "none", (place) => {
    const frames = Math.max(0, Math.round(edge === "in" ? place.frame - segment.start : endOf(segment) - place.frame));
    const before = edge === "in" ? segment.fadeIn : segment.fadeOut;
    return {
      command: frames === before ? null : { type: "setFade", id: segment.id, edge, frames },
      feedback: () => {
        const found = findSegment(session.editor.shown.getState().document, segment.id);
        return { label: timecode(found?.kind !== "audio" ? before : edge === "in" ? found.segment.fadeIn : found.segment.fadeOut) };
      },
    };
  });
}

/** Drags the gain line. All selected sound changes by as much, each within its limits. */
function gainGesture(tools: GestureTools, segment: AudioSegment, row: Row): Gesture {
  const { session } = tools;
  const { history, selection } = session.editor.store.getState();
  const { top, bottom } = segmentBand(row.height);
  const together = history.present.audioTracks.flatMap((track) => track.segments).filter((one) => one.id === segment.id || (selection.has(segment.id) && selection.has(one.id)));
  return editGesture(tools, "ns-resize", "none", (place) => {
    const decibels = decibelsOfShare((place.y - row.top - top) / (bottom - top));
    const change = decibels - segment.gainDecibels;
    const { min, max } = LIMITS.gainDecibels;
    const commands = together.map((one): EditCommand => ({ type: "setSegmentGain", ids: [one.id], gainDecibels: Math.min(max, Math.max(min, one.gainDecibels + change)) }));
    return {
      command: change === 0 ? null : { type: "batch", label: { key: "edit.setSegmentGain", values: { count: together.length } }, commands },
      feedback: () => ({ label: decibelText(decibels) }),
    };
  });
}

/** As a mixer shows it: `−3.5 dB`, and `−∞ dB` for silence. */
export function decibelText(decibels: number): string {
  if (decibels <= LIMITS.gainDecibels.min) return "−∞ dB";
  return `${decibels < 0 ? "−" : decibels > 0 ? "+" : ""}${Math.abs(decibels).toFixed(1)} dB`;
}
