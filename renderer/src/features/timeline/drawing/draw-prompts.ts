import { boxesInSight } from "../geometry/boxes.ts";
import { drawAbove, drawGrid } from "./draw-grid.ts";
import { drawGhosts, drawInvitation, drawLabel, fillBodies, outlineChosen, setLabelStyle } from "./draw-segments.ts";
import type { Scene } from "./scene.ts";

export function drawPrompts(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { document, palette } = scene;
  drawGrid(context, scene, width, height);
  const boxes = boxesInSight(document.prompts, scene.scale, width);
  fillBodies(context, boxes, height, palette.prompt);
  setLabelStyle(context, scene);
  for (const box of boxes) {
    if (box.segment === null) continue;
    const { text } = box.segment;
    drawLabel(context, scene, box, text.trim() === "" ? scene.words.emptyPrompt : text, width, height / 2 + 0.5);
  }
  outlineChosen(context, scene, boxes, height);
  if (scene.document !== scene.committed) drawGhosts(context, scene, boxesInSight(scene.committed.prompts, scene.scale, width), document.prompts, height);
  if (document.prompts.length === 0) drawInvitation(context, scene, scene.words.writePrompt, height);
  drawAbove(context, scene, width, height);
}
