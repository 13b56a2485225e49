import type { Box } from "../geometry/boxes.ts";
import { labelRoom } from "../geometry/boxes.ts";
import { segmentBand } from "../geometry/handles.ts";
import type { AnySegment } from "../geometry/hit-test.ts";
import { LABEL_PIXELS, labelFont, type Scene } from "./scene.ts";

const RADIUS = 4;
const LABEL_PADDING = 7;
/** Narrower boxes show no text. */
const LEAST_LABEL_PIXELS = 18;

/** Adds a box with round corners to the path; narrow boxes are plain. */
export function addBox(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  // Older browsers have no round corners on canvases: square ones do.
  if (width >= 2 * RADIUS && "roundRect" in context) context.roundRect(x, y, width, height, RADIUS);
  else context.rect(x, y, width, height);
}

/** The bodies of all boxes in one fill. */
export function fillBodies(context: CanvasRenderingContext2D, boxes: readonly Box<unknown>[], rowHeight: number, colour: string): void {
  const { top, bottom } = segmentBand(rowHeight);
  context.fillStyle = colour;
  context.beginPath();
  for (const box of boxes) addBox(context, box.x, top, box.width, bottom - top);
  context.fill();
}

/** A frame around what is selected, and a fainter one around what the pointer is on. */
export function outlineChosen<T extends AnySegment>(context: CanvasRenderingContext2D, scene: Scene, boxes: readonly Box<T>[], rowHeight: number): void {
  const { top, bottom } = segmentBand(rowHeight);
  const hovered = scene.hover?.kind === "segment" ? scene.hover.segment.id : null;
  const selected: Box<T>[] = [];
  for (const box of boxes) {
    if (box.segment === null) continue;
    if (scene.selection.has(box.segment.id)) selected.push(box);
    else if (box.segment.id === hovered) {
      context.strokeStyle = scene.palette.onTrack;
      context.globalAlpha = 0.55;
      context.lineWidth = 1;
      context.beginPath();
      addBox(context, box.x + 0.5, top + 0.5, Math.max(0, box.width - 1), bottom - top - 1);
      context.stroke();
      context.globalAlpha = 1;
    }
  }
  if (selected.length === 0) return;
  context.strokeStyle = scene.palette.selection;
  context.lineWidth = 2;
  context.beginPath();
  for (const box of selected) addBox(context, box.x + 1, top + 1, Math.max(0, box.width - 2), bottom - top - 2);
  context.stroke();
}

/** Where the dragged segments were, dashed. */
export function drawGhosts(context: CanvasRenderingContext2D, scene: Scene, before: readonly Box<AnySegment>[], now: readonly AnySegment[], rowHeight: number): void {
  if (scene.document === scene.committed) return;
  const { top, bottom } = segmentBand(rowHeight);
  const places = new Map<string, AnySegment>();
  for (const segment of now) if (scene.selection.has(segment.id)) places.set(segment.id, segment);
  context.strokeStyle = scene.palette.textMuted;
  context.lineWidth = 1;
  context.setLineDash([4, 3]);
  context.beginPath();
  for (const { segment, x, width } of before) {
    if (segment === null || !scene.selection.has(segment.id)) continue;
    const moved = places.get(segment.id);
    if (moved?.start !== segment.start || moved.duration !== segment.duration) context.rect(x + 0.5, top + 0.5, Math.max(1, width - 1), bottom - top - 1);
  }
  context.stroke();
  context.setLineDash([]);
}

/** One line of text at the top left of a box; `indent` keeps room for a picture. */
export function drawLabel(context: CanvasRenderingContext2D, scene: Scene, box: Box<unknown>, text: string, width: number, baseline: number, indent = 0): void {
  const room = labelRoom(box, width, LABEL_PADDING);
  if (room.width - indent < LEAST_LABEL_PIXELS) return;
  const shown = scene.labels.fit(text, room.width - indent);
  if (shown !== "") context.fillText(shown, room.x + indent, baseline);
}

/** Sets font and colour for {@link drawLabel}. */
export function setLabelStyle(context: CanvasRenderingContext2D, scene: Scene, colour = scene.palette.onTrack): void {
  context.font = labelFont(scene.palette);
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = colour;
}

/** What an empty track says. */
export function drawInvitation(context: CanvasRenderingContext2D, scene: Scene, text: string, height: number): void {
  setLabelStyle(context, scene, scene.palette.textMuted);
  context.font = `400 ${String(LABEL_PIXELS)}px ${scene.palette.font}`;
  context.fillText(text, 12, height / 2 + 0.5);
}

/** A locked track: hatched as a whole. */
export function drawLock(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  context.globalAlpha = 0.4;
  hatch(context, 0, 0, width, height, scene.palette.shade);
  context.globalAlpha = 1;
}

/** Diagonal lines over a box: something about it is not as it should be. */
export function hatch(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  // Lines keep their place on the screen while the box grows, so that they do not swim while zooming.
  for (let at = Math.floor((x - height) / 8) * 8; at < x + width; at += 8) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
