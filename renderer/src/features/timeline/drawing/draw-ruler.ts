import { timecode } from "../../../../../electron/contract/time.ts";
import { xOfFrame } from "../../../editor/scale.ts";
import { RULER_HEIGHT } from "../geometry/rows.ts";
import { gridSpacing, multiples, tickSpacing } from "../geometry/ticks.ts";
import { gridLines } from "./draw-grid.ts";
import type { Scene } from "./scene.ts";

const TEXT_BASELINE = 11;
const MARKER_TOP = 17;
const LEAST_NAME_PIXELS = 44;
const MOST_NAME_PIXELS = 160;

/** Time in h:m:s:f, where clips begin, the range, and the markers. */
export function drawRuler(context: CanvasRenderingContext2D, scene: Scene, width: number): void {
  const { palette, scale, document } = scene;
  context.fillStyle = palette.ruler;
  context.fillRect(0, 0, width, RULER_HEIGHT);
  drawRange(context, scene, width);
  const spacing = tickSpacing(scale.pixelsPerFrame);
  const last = scale.scroll + width / scale.pixelsPerFrame;

  context.strokeStyle = palette.textMuted;
  context.lineWidth = 1;
  context.globalAlpha = 0.45;
  context.beginPath();
  for (const frame of multiples(spacing.minor, Math.max(0, scale.scroll), last)) {
    const x = Math.round(xOfFrame(scale, frame)) + 0.5;
    context.moveTo(x, frame % spacing.major === 0 ? 4 : 13);
    context.lineTo(x, 17);
  }
  context.stroke();
  context.globalAlpha = 1;

  context.fillStyle = palette.textMuted;
  context.font = `400 11px ${palette.font}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  // A label begins at its line, so one whose line is out of sight may still reach into it.
  for (const frame of multiples(spacing.major, Math.max(0, scale.scroll - spacing.major), last)) {
    context.fillText(timecode(frame), Math.round(xOfFrame(scale, frame)) + 5, TEXT_BASELINE - 2);
  }

  const { clip } = gridSpacing(scale.pixelsPerFrame, document.settings.inferFrames);
  if (clip !== null) {
    context.strokeStyle = palette.textMuted;
    context.globalAlpha = 0.6;
    context.beginPath();
    for (const x of gridLines(scene.gridOrigins, clip, scale, width)) {
      context.moveTo(x, RULER_HEIGHT - 5);
      context.lineTo(x, RULER_HEIGHT);
    }
    context.stroke();
    context.globalAlpha = 1;
  }
  context.fillStyle = palette.border;
  context.fillRect(0, RULER_HEIGHT - 1, width, 1);
  drawMarkers(context, scene, width);
}

function drawRange(context: CanvasRenderingContext2D, scene: Scene, width: number): void {
  const { range } = scene.document;
  if (range === null) return;
  const { palette, scale } = scene;
  const start = xOfFrame(scale, range.start);
  const end = xOfFrame(scale, range.end);
  const [left, right] = [Math.max(-1, start), Math.min(width + 1, end)];
  if (right <= left) return;
  context.fillStyle = palette.accent;
  context.globalAlpha = 0.28;
  context.fillRect(left, 0, right - left, RULER_HEIGHT);
  context.globalAlpha = 1;
  context.fillStyle = palette.accentText;
  context.fillRect(start, 0, 2, RULER_HEIGHT);
  context.fillRect(end - 2, 0, 2, RULER_HEIGHT);
}

function drawMarkers(context: CanvasRenderingContext2D, scene: Scene, width: number): void {
  const { document, palette, scale } = scene;
  const { markers } = document;
  if (markers.length === 0) return;
  context.font = `500 11px ${palette.font}`;
  for (let index = 0; index < markers.length; index += 1) {
    const marker = markers[index];
    if (marker === undefined) continue;
    const x = Math.round(xOfFrame(scale, marker.frame));
    if (x > width + 8) break;
    if (x < -200) continue;
    const focused = marker.id === scene.focusedMarker;
    context.fillStyle = focused ? palette.selection : palette.warn;
    context.beginPath();
    context.moveTo(x - 5, MARKER_TOP);
    context.lineTo(x + 5, MARKER_TOP);
    context.lineTo(x + 5, MARKER_TOP + 7);
    context.lineTo(x, MARKER_TOP + 13);
    context.lineTo(x - 5, MARKER_TOP + 7);
    context.closePath();
    context.fill();
    const next = markers[index + 1];
    const room = (next === undefined ? width : xOfFrame(scale, next.frame)) - x - 14;
    // A few letters with dots say nothing.
    const label = room < LEAST_NAME_PIXELS ? "" : scene.labels.fit(marker.label, Math.min(room, MOST_NAME_PIXELS));
    if (label !== "") {
      context.fillStyle = palette.text;
      context.fillText(label, x + 9, MARKER_TOP + 6.5);
    }
  }
}
