import { clipThumbnailAddress } from "../../../../../electron/contract/addresses.ts";
import type { Cell, CellRun, CellState } from "../../../../../electron/contract/document/output-lane.ts";
import type { Quality } from "../../../../../electron/contract/document/project-document.schema.ts";
import { xOfFrame } from "../../../editor/scale.ts";
import { FIRST_PICTURE, filmstrip } from "../geometry/filmstrip.ts";
import { drawAbove, drawGrid } from "./draw-grid.ts";
import { drawInvitation, hatch } from "./draw-segments.ts";
import type { Palette } from "./palette.ts";
import type { Scene } from "./scene.ts";

const INSET = 3;
/** Coloured bar at the bottom of each cell: its state, also where a thumbnail covers the rest. */
const STATE_HEIGHT = 6;
/** Cells narrower than this are drawn as runs. */
const LEAST_CELL_PIXELS = 5;
/** Shape of thumbnails while their real size is not known. */
const USUAL_ASPECT = 1.5;

/** One cell a clip, with its state and, where there is something on disk, a picture. */
export function drawOutput(context: CanvasRenderingContext2D, scene: Scene, projectId: string, quality: Quality, width: number, height: number): void {
  const { lane, scale } = scene;
  drawGrid(context, scene, width, height);
  const last = scale.scroll + width / scale.pixelsPerFrame;
  const cellWidth = scene.document.settings.inferFrames * scale.pixelsPerFrame;
  const runs = lane.runs.filter((run) => run.startFrame < last && run.startFrame + run.frames > scale.scroll);
  for (const run of runs) drawRun(context, scene, run, width, height);
  drawThumbnails(context, scene, projectId, quality, width, height);
  for (const run of runs) if (run.kind === "stale") hatchRun(context, scene, run, width, height);
  if (cellWidth >= LEAST_CELL_PIXELS) drawCellMarks(context, scene, width, height);
  drawFocus(context, scene, height);
  if (lane.cells.length === 0) drawInvitation(context, scene, scene.words.nothingRendered, height);
  drawAbove(context, scene, width, height);
}

function colourOf(kind: CellState["kind"], palette: Palette): string {
  switch (kind) {
    case "empty":
      return palette.border;
    case "queued":
      return palette.textMuted;
    case "rendering":
      return palette.accent;
    case "fresh":
      return palette.ok;
    case "stale":
      return palette.warn;
    case "failed":
      return palette.dangerFill;
  }
}

/** Where a run stands; what is far out of sight is cut off. */
function spanOfRun(scene: Scene, run: CellRun, width: number): { readonly left: number; readonly room: number } {
  const left = Math.max(-4, xOfFrame(scene.scale, run.startFrame));
  const right = Math.min(width + 4, xOfFrame(scene.scale, run.startFrame + run.frames));
  return { left, room: Math.max(1, right - left - 1) };
}

/** Neighbouring cells in the same state: one body, one bar. */
function drawRun(context: CanvasRenderingContext2D, scene: Scene, run: CellRun, width: number, height: number): void {
  const { palette } = scene;
  const { left, room } = spanOfRun(scene, run, width);
  context.fillStyle = palette.video;
  context.globalAlpha = run.kind === "empty" || run.kind === "queued" ? 0.25 : 0.8;
  context.fillRect(left, INSET, room, height - 2 * INSET);
  context.globalAlpha = 1;
  context.fillStyle = colourOf(run.kind, palette);
  context.fillRect(left, height - INSET - STATE_HEIGHT, room, STATE_HEIGHT);
}

/** Stale: hatched, over the pictures of how it was. */
function hatchRun(context: CanvasRenderingContext2D, scene: Scene, run: CellRun, width: number, height: number): void {
  const { left, room } = spanOfRun(scene, run, width);
  const barTop = height - INSET - STATE_HEIGHT;
  hatch(context, left, barTop, room, STATE_HEIGHT, scene.palette.lane);
  context.globalAlpha = 0.5;
  hatch(context, left, INSET, room, barTop - INSET, scene.palette.lane);
  context.globalAlpha = 1;
}

/** What is told per cell: borders, progress, failure. */
function drawCellMarks(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { palette, scale } = scene;
  const barTop = height - INSET - STATE_HEIGHT;
  context.strokeStyle = palette.lane;
  context.lineWidth = 1;
  context.beginPath();
  for (const cell of cellsInSight(scene, width)) {
    const x = Math.round(xOfFrame(scale, cell.startFrame)) - 0.5;
    context.moveTo(x, INSET);
    context.lineTo(x, height - INSET);
  }
  context.stroke();
  for (const cell of cellsInSight(scene, width)) {
    const left = xOfFrame(scale, cell.startFrame);
    const room = cell.frames * scale.pixelsPerFrame - 1;
    switch (cell.state.kind) {
      case "rendering":
        context.fillStyle = palette.lane;
        context.globalAlpha = 0.6;
        context.fillRect(left + room * cell.state.share, barTop, room * (1 - cell.state.share), STATE_HEIGHT);
        context.globalAlpha = 1;
        break;
      case "failed":
        drawFailure(context, palette, left, room, barTop);
        break;
      case "empty":
      case "queued":
      case "fresh":
      case "stale":
        break;
    }
  }
}

function drawFailure(context: CanvasRenderingContext2D, palette: Palette, left: number, room: number, barTop: number): void {
  const radius = Math.min(9, room / 2 - 1);
  if (radius < 3) return;
  const [x, y] = [left + room / 2, (INSET + barTop) / 2];
  context.fillStyle = palette.dangerFill;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = palette.onDanger;
  context.font = `700 ${String(Math.round(radius * 1.5))}px ${palette.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText("!", x, y + 0.5);
  context.textAlign = "left";
}

/**
 * A filmstrip. Cells with room for a picture are filled with some of their own. Where they are narrower, the first picture of every
 * n-th cell is shown, n a power of two, so that they do not overlap, keep their places while scrolling, and seldom change while zooming.
 */
function drawThumbnails(context: CanvasRenderingContext2D, scene: Scene, projectId: string, quality: Quality, width: number, height: number): void {
  const { scale } = scene;
  const pictureHeight = height - 2 * INSET - STATE_HEIGHT - 1;
  const slot = scene.document.settings.inferFrames * scale.pixelsPerFrame;
  let every = 1;
  while (every * slot < pictureHeight * USUAL_ASPECT && every < 4_096) every *= 2;
  const last = scene.lane.cells.at(-1);
  const end = last === undefined ? 0 : xOfFrame(scale, last.startFrame + last.frames);
  for (const cell of cellsInSight(scene, width, every)) {
    const { contentHash } = cell.state;
    if (cell.clip % every !== 0 || contentHash === null) continue;
    const pictureAt = (frame: number): ImageBitmap | null => scene.pictures.get(clipThumbnailAddress(projectId, quality, cell.takeId, cell.clip, contentHash, frame));
    const first = pictureAt(0);
    if (first === null) continue;
    const left = xOfFrame(scale, cell.startFrame);
    // Of several cells the picture may be cut off only where the last of them ends.
    const room = Math.min(every === 1 ? cell.frames * scale.pixelsPerFrame : every * slot, end - left) - 1;
    const wanted = (first.width / first.height) * pictureHeight;
    for (const { offset, frame } of every > 1 ? [FIRST_PICTURE] : filmstrip(room, wanted, cell.frames)) {
      if (left + offset > width || left + offset + wanted < 0) continue;
      // Until its own is there.
      const picture = frame === 0 ? first : (pictureAt(frame) ?? first);
      const shown = Math.min(room - offset, wanted);
      context.drawImage(picture, 0, 0, picture.width * (shown / wanted), picture.height, left + offset, INSET, shown, pictureHeight);
    }
  }
}

function drawFocus(context: CanvasRenderingContext2D, scene: Scene, height: number): void {
  const focus = scene.focusedClip;
  if (focus === null) return;
  const cell = scene.lane.cells.find((one) => one.takeId === focus.takeId && one.clip === focus.clip);
  if (cell === undefined) return;
  context.strokeStyle = scene.palette.selection;
  context.lineWidth = 2;
  context.strokeRect(xOfFrame(scene.scale, cell.startFrame) + 1, INSET + 1, Math.max(1, cell.frames * scene.scale.pixelsPerFrame - 3), height - 2 * INSET - 2);
}

/** Cells that touch the canvas, and up to `before` cells on the left of it whose pictures may reach into it. */
function* cellsInSight(scene: Scene, width: number, before = 0): Generator<Cell> {
  const { lane, scale } = scene;
  const last = scale.scroll + width / scale.pixelsPerFrame;
  let low = 0;
  let high = lane.cells.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const cell = lane.cells[middle];
    if (cell !== undefined && cell.startFrame + cell.frames <= scale.scroll) low = middle + 1;
    else high = middle;
  }
  for (let index = Math.max(0, low - before); index < lane.cells.length; index += 1) {
    const cell = lane.cells[index];
    if (cell === undefined || cell.startFrame >= last) return;
    yield cell;
  }
}
