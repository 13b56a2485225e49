import type { TrackAddress } from "../../../../../electron/contract/document/edit/commands.ts";
import type { Cell } from "../../../../../electron/contract/document/output-lane.ts";
import type { AudioSegment, Marker, PortraitSegment, ProjectDocument, PromptSegment } from "../../../../../electron/contract/document/project-document.schema.ts";
import { endOf, indexAfter } from "../../../../../electron/contract/document/timeline.ts";
import { frameOfX, type Scale, xOfFrame } from "../../../editor/scale.ts";
import { FADE_RADIUS, fadeHandles, GAIN_PIXELS, gainLineY, LEAST_WIDTH_FOR_HANDLES, type Point, ROLL_PIXELS, TRIM_PIXELS } from "./handles.ts";
import { type Row, RULER_HEIGHT, type TrackRef } from "./rows.ts";

export type AnySegment = PortraitSegment | PromptSegment | AudioSegment;

/** What of a segment is grasped. `roll` moves the edge shared with the next or earlier segment. */
export type SegmentPart = "body" | "start" | "end" | "rollStart" | "rollEnd" | "fadeIn" | "fadeOut" | "gain";

/** What lies under the pointer on the tracks. */
export type Hit =
  | { readonly kind: "segment"; readonly track: TrackAddress; readonly row: Row; readonly segment: AnySegment; readonly part: SegmentPart }
  | { readonly kind: "cell"; readonly cell: Cell; readonly row: Row }
  | { readonly kind: "lane"; readonly track: TrackRef; readonly row: Row };

/** What lies under the pointer on the ruler. */
export type RulerHit = { readonly kind: "marker"; readonly marker: Marker } | { readonly kind: "rangeStart" } | { readonly kind: "rangeEnd" } | { readonly kind: "time" };

/** The segments of a track. */
export function segmentsOf(document: ProjectDocument, track: TrackAddress): readonly AnySegment[] {
  switch (track.kind) {
    case "portrait":
      return document.portraits;
    case "prompt":
      return document.prompts;
    case "audio":
      return document.audioTracks.find((one) => one.id === track.trackId)?.segments ?? [];
  }
}

/** @param y pixels below the row's top */
export function hitRow(document: ProjectDocument, cells: readonly Cell[], row: Row, scale: Scale, x: number, y: number): Hit {
  const { track } = row;
  if (track.kind === "output") {
    const cell = cellAt(cells, frameOfX(scale, x));
    return cell === null ? { kind: "lane", track, row } : { kind: "cell", cell, row };
  }
  const segments = segmentsOf(document, track);
  const grasped = graspedEdge(segments, scale, x);
  const segment = grasped?.segment ?? bodyAt(segments, scale, x);
  if (segment === null) return { kind: "lane", track, row };
  // Handles inside a segment lie above its trim zones.
  const inner = isAudio(segment) ? innerHandle(segment, scale, row.height, x, y) : null;
  return { kind: "segment", track, row, segment, part: inner ?? grasped?.part ?? "body" };
}

export function isAudio(segment: AnySegment): segment is AudioSegment {
  return "sourceStart" in segment;
}

function bodyAt(segments: readonly AnySegment[], scale: Scale, x: number): AnySegment | null {
  const frame = frameOfX(scale, x);
  const segment = segments[indexAfter(segments, frame) - 1];
  // A very short segment is still a few pixels wide to the hand.
  return segment !== undefined && (frame < endOf(segment) || xOfFrame(scale, segment.start) + 3 > x) ? segment : null;
}

/** The edge near `x`, if any: a shared one moves both segments, beside it each one's own. */
function graspedEdge(segments: readonly AnySegment[], scale: Scale, x: number): { readonly segment: AnySegment; readonly part: SegmentPart } | null {
  const index = indexAfter(segments, frameOfX(scale, x)) - 1;
  let best: { readonly segment: AnySegment; readonly part: SegmentPart; readonly distance: number } | null = null;
  for (const near of [index - 1, index, index + 1]) {
    const segment = segments[near];
    if (segment === undefined) continue;
    const [left, right] = [xOfFrame(scale, segment.start), xOfFrame(scale, endOf(segment))];
    // A narrow segment keeps its middle for moving it.
    const zone = Math.min(TRIM_PIXELS, (right - left) / 4);
    const [before, after] = [segments[near - 1], segments[near + 1]];
    for (const edge of ["start", "end"] as const) {
      const shared = edge === "start" ? before !== undefined && endOf(before) === segment.start : after?.start === endOf(segment);
      const inside = edge === "start" ? x - left : right - x;
      const rolls = shared && Math.abs(inside) <= Math.min(ROLL_PIXELS, zone);
      // Outside, half a zone reaches over the edge, unless a neighbour is there.
      const reaches = inside >= (shared ? 0 : -zone / 2) && inside <= zone;
      if (!rolls && !reaches) continue;
      const distance = Math.abs(inside);
      // Of two edges at the same place, the one of the segment that the pointer is on.
      if (best === null || distance < best.distance || (distance === best.distance && inside >= 0)) best = { segment, part: rolls ? (edge === "start" ? "rollStart" : "rollEnd") : edge, distance };
    }
  }
  return best;
}

function innerHandle(segment: AudioSegment, scale: Scale, rowHeight: number, x: number, y: number): SegmentPart | null {
  const width = segment.duration * scale.pixelsPerFrame;
  if (width < LEAST_WIDTH_FOR_HANDLES) return null;
  const { fadeIn, fadeOut } = fadeHandles(segment, scale, rowHeight);
  const near = (point: Point) => Math.hypot(point.x - x, point.y - y) <= FADE_RADIUS;
  if (near(fadeIn)) return "fadeIn";
  if (near(fadeOut)) return "fadeOut";
  const left = xOfFrame(scale, segment.start);
  const offEdges = x > left + TRIM_PIXELS && x < left + width - TRIM_PIXELS;
  return offEdges && Math.abs(gainLineY(segment.gainDecibels, rowHeight) - y) <= GAIN_PIXELS ? "gain" : null;
}

function cellAt(cells: readonly Cell[], frame: number): Cell | null {
  let low = 0;
  let high = cells.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const cell = cells[middle];
    if (cell !== undefined && cell.startFrame <= frame) low = middle + 1;
    else high = middle;
  }
  const cell = cells[low - 1];
  return cell !== undefined && frame < cell.startFrame + cell.frames ? cell : null;
}

/** Markers hang from the lower half of the ruler; they are grasped within this distance. */
const MARKER_PIXELS = 7;
const RANGE_PIXELS = 6;

export function hitRuler(document: ProjectDocument, scale: Scale, x: number, y: number): RulerHit {
  if (y >= RULER_HEIGHT / 2) {
    let nearest: { readonly marker: Marker; readonly distance: number } | null = null;
    for (const marker of document.markers) {
      const distance = Math.abs(xOfFrame(scale, marker.frame) - x);
      if (distance <= MARKER_PIXELS && (nearest === null || distance < nearest.distance)) nearest = { marker, distance };
    }
    if (nearest !== null) return { kind: "marker", marker: nearest.marker };
  }
  const { range } = document;
  if (range !== null) {
    if (Math.abs(xOfFrame(scale, range.start) - x) <= RANGE_PIXELS) return { kind: "rangeStart" };
    if (Math.abs(xOfFrame(scale, range.end) - x) <= RANGE_PIXELS) return { kind: "rangeEnd" };
  }
  return { kind: "time" };
}
