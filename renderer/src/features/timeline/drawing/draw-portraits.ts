import { pictureAddress } from "../../../../../electron/contract/addresses.ts";
import type { PortraitSegment } from "../../../../../electron/contract/document/project-document.schema.ts";
import { type Box, boxesInSight } from "../geometry/boxes.ts";
import { segmentBand } from "../geometry/handles.ts";
import { drawAbove, drawGrid } from "./draw-grid.ts";
import { drawGhosts, drawInvitation, drawLabel, fillBodies, hatch, outlineChosen, setLabelStyle } from "./draw-segments.ts";
import type { Scene } from "./scene.ts";

const PICTURE_MARGIN = 3;

export function drawPortraits(context: CanvasRenderingContext2D, scene: Scene, projectId: string, width: number, height: number): void {
  const { palette, document } = scene;
  drawGrid(context, scene, width, height);
  const boxes = boxesInSight(document.portraits, scene.scale, width);
  fillBodies(context, boxes, height, palette.portrait);
  setLabelStyle(context, scene);
  for (const box of boxes) {
    if (box.segment === null || box.width < 24) continue;
    const missing = scene.missingMedia.has(box.segment.mediaId);
    const { top, bottom } = segmentBand(height);
    if (missing) hatch(context, box.x, top, box.width, bottom - top, palette.dangerFill);
    const indent = missing ? 0 : drawPicture(context, scene, projectId, { ...box, segment: box.segment }, height);
    const name = scene.media.get(box.segment.mediaId)?.name ?? "";
    setLabelStyle(context, scene);
    drawLabel(context, scene, box, missing ? `${scene.words.missingFile} ${name}` : name, width, height / 2 + 0.5, indent);
  }
  outlineChosen(context, scene, boxes, height);
  if (scene.document !== scene.committed) drawGhosts(context, scene, boxesInSight(scene.committed.portraits, scene.scale, width), document.portraits, height);
  if (document.portraits.length === 0) drawInvitation(context, scene, scene.words.dropPortrait, height);
  drawAbove(context, scene, width, height);
}

/** The picture at the left end; it stays in sight while the segment is scrolled out. Returns the room it takes from the label. */
function drawPicture(context: CanvasRenderingContext2D, scene: Scene, projectId: string, box: Box<PortraitSegment> & { readonly segment: PortraitSegment }, rowHeight: number): number {
  const { top, bottom } = segmentBand(rowHeight);
  const side = bottom - top - 2 * PICTURE_MARGIN;
  const left = Math.max(box.x, 0) + PICTURE_MARGIN;
  if (box.x + box.width - left < side + PICTURE_MARGIN) return 0;
  const picture = scene.pictures.get(pictureAddress(projectId, box.segment.mediaId, 120));
  if (picture === null) {
    context.globalAlpha = 0.25;
    context.fillStyle = scene.palette.shade;
    context.fillRect(left, top + PICTURE_MARGIN, side, side);
    context.globalAlpha = 1;
  } else {
    // A square from the upper middle: that is where a portrait has its face.
    const square = Math.min(picture.width, picture.height);
    context.drawImage(picture, (picture.width - square) / 2, (picture.height - square) / 4, square, square, left, top + PICTURE_MARGIN, side, side);
  }
  return side + PICTURE_MARGIN - 1;
}
