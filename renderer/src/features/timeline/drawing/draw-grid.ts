import { type Scale, xOfFrame } from "../../../editor/scale.ts";
import { gridSpacing, multiples } from "../geometry/ticks.ts";
import type { Scene } from "./scene.ts";

/** Background of a lane: where blocks and clips begin, counted anew from each take's start. */
export function drawGrid(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { palette, scale } = scene;
  context.fillStyle = palette.lane;
  context.fillRect(0, 0, width, height);
  const { block, clip } = gridSpacing(scale.pixelsPerFrame, scene.document.settings.inferFrames);
  if (block !== null) strokeGrid(context, scene, block, width, height, 0.35);
  if (clip !== null) strokeGrid(context, scene, clip, width, height, block === null ? 0.5 : 0.9);
}

function strokeGrid(context: CanvasRenderingContext2D, scene: Scene, spacing: number, width: number, height: number, alpha: number): void {
  context.strokeStyle = scene.palette.grid;
  context.globalAlpha = alpha;
  context.lineWidth = 1;
  context.beginPath();
  for (const x of gridLines(scene.gridOrigins, spacing, scene.scale, width)) {
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** Pixel-sharp places of the lines in sight. */
export function* gridLines(origins: readonly number[], spacing: number, scale: Scale, width: number): Generator<number> {
  const last = scale.scroll + width / scale.pixelsPerFrame;
  for (let index = 0; index < origins.length; index += 1) {
    const origin = origins[index] ?? 0;
    const end = Math.min(last, (origins[index + 1] ?? Infinity) - 1);
    if (end < scale.scroll || origin > last) continue;
    for (const frame of multiples(spacing, Math.max(origin, scale.scroll), end, origin)) yield Math.round(xOfFrame(scale, frame)) + 0.5;
  }
}

/** What lies outside of the in and out points is darker; markers go through all tracks. */
export function drawAbove(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { document, palette, scale } = scene;
  if (document.range !== null) {
    const start = Math.min(width, Math.max(0, xOfFrame(scale, document.range.start)));
    const end = Math.min(width, Math.max(0, xOfFrame(scale, document.range.end)));
    context.fillStyle = palette.shade;
    context.globalAlpha = 0.55;
    context.fillRect(0, 0, start, height);
    context.fillRect(end, 0, width - end, height);
    context.globalAlpha = 1;
  }
  if (document.markers.length === 0) return;
  context.strokeStyle = palette.warn;
  context.globalAlpha = 0.45;
  context.lineWidth = 1;
  context.beginPath();
  for (const { frame } of document.markers) {
    const x = xOfFrame(scale, frame);
    if (x < 0 || x > width) continue;
    context.moveTo(Math.round(x) + 0.5, 0);
    context.lineTo(Math.round(x) + 0.5, height);
  }
  context.stroke();
  context.globalAlpha = 1;
}
