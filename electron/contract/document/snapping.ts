import { FRAMES_PER_BLOCK } from "../time.ts";
import type { ProjectDocument } from "./project-document.schema.ts";
import { portraitChanges } from "./takes.ts";
import { endOf, indexAfter } from "./timeline.ts";

/** What attracts, the strongest first: of several at the same frame, the first is named. */
const KINDS = ["playhead", "start", "marker", "range", "edge", "clip", "block"] as const;
export type SnapKind = (typeof KINDS)[number];

type Target = { readonly start: number; readonly kind: SnapKind };

/** Made once when a drag begins, so that each move of the pointer is quick. */
export type SnapTargets = {
  /** One for each frame, ascending. The grids are not in it. */
  readonly single: readonly Target[];
  /** Starts of the takes: both grids count from them. */
  readonly gridOrigins: readonly { readonly start: number }[];
  readonly inferFrames: number;
};

/** `delta` is the movement in whole frames; `guide` says where the guide line goes, null when nothing attracted. */
export type Snap = { readonly delta: number; readonly guide: { readonly frame: number; readonly kind: SnapKind } | null };

/** How near is near, in pixels. */
export const SNAP_PIXELS = 6;
/** A grid attracts only when its lines are so many times further apart: zoomed out, it would hold everything. */
const GRID_SPACING = 4;

/** All that may attract, but for the edges of the segments that move. */
export function snapTargets(document: ProjectDocument, moving: ReadonlySet<string>, playhead: number | null): SnapTargets {
  const targets: Target[] = [{ start: 0, kind: "start" }];
  const add = (kind: SnapKind, ...frames: number[]): void => {
    for (const start of frames) targets.push({ start, kind });
  };
  if (playhead !== null) add("playhead", playhead);
  if (document.range !== null) add("range", document.range.start, document.range.end);
  for (const marker of document.markers) add("marker", marker.frame);
  for (const segments of tracksOf(document)) {
    for (const segment of segments) if (!moving.has(segment.id)) add("edge", segment.start, endOf(segment));
  }
  targets.sort((a, b) => a.start - b.start || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  return {
    single: targets.filter((target, index) => target.start !== targets[index - 1]?.start),
    gridOrigins: portraitChanges(document.portraits, Number.POSITIVE_INFINITY),
    inferFrames: document.settings.inferFrames,
  };
}

/** Starts and ends of segments, ascending and each once: the `edges` of a movement. */
export function edgesOf(document: ProjectDocument, ids: ReadonlySet<string>): number[] {
  const edges = new Set<number>();
  for (const segments of tracksOf(document)) {
    for (const segment of segments) if (ids.has(segment.id)) edges.add(segment.start).add(endOf(segment));
  }
  return [...edges].sort((a, b) => a - b);
}

/**
 * Snaps a movement.
 * @param edges frames of the edges that move, before they move
 * @param delta frames they are moved by, a fraction while dragging
 * @param pixelsPerFrame scale of the timeline
 */
export function snap(edges: readonly number[], delta: number, targets: SnapTargets, pixelsPerFrame: number, thresholdPixels = SNAP_PIXELS): Snap {
  const threshold = thresholdPixels / pixelsPerFrame;
  const nearest = nearestOf(edges, delta, threshold, (frame) => neighbours(targets.single, frame));
  const found = nearest ?? nearestOf(edges, delta, threshold, (frame) => gridLines(targets, frame, GRID_SPACING * threshold));
  if (found === null) return { delta: Math.round(delta), guide: null };
  return { delta: found.target.start - found.edge, guide: { frame: found.target.start, kind: found.target.kind } };
}

function nearestOf(edges: readonly number[], delta: number, threshold: number, near: (frame: number) => readonly Target[]): { edge: number; target: Target } | null {
  let best: { edge: number; target: Target } | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const edge of edges) {
    for (const target of near(edge + delta)) {
      const distance = Math.abs(target.start - edge - delta);
      if (distance > threshold || distance > bestDistance) continue;
      const stronger = best === null || KINDS.indexOf(target.kind) < KINDS.indexOf(best.target.kind);
      if (distance === bestDistance && !stronger) continue;
      best = { edge, target };
      bestDistance = distance;
    }
  }
  return best;
}

/** The targets on both sides of a frame. */
function neighbours(targets: readonly Target[], frame: number): Target[] {
  const after = indexAfter(targets, frame);
  return targets.slice(Math.max(0, after - 1), after + 1);
}

/** The lines of the grids nearest to a frame, of grids with at least `spacing` frames between lines. */
function gridLines({ gridOrigins, inferFrames }: SnapTargets, frame: number, spacing: number): Target[] {
  const origin = gridOrigins[Math.max(0, indexAfter(gridOrigins, frame) - 1)]?.start ?? 0;
  const line = (step: number, kind: SnapKind): Target[] => (step < spacing ? [] : [{ start: origin + Math.max(0, Math.round((frame - origin) / step)) * step, kind }]);
  return [...line(inferFrames, "clip"), ...line(FRAMES_PER_BLOCK, "block")];
}

function tracksOf(document: ProjectDocument): (readonly { readonly id: string; readonly start: number; readonly duration: number }[])[] {
  return [document.portraits, document.prompts, ...document.audioTracks.map((track) => track.segments)];
}
