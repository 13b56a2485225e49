import type { AudioSegment, AudioTrack } from "../../../../../electron/contract/document/project-document.schema.ts";
import { FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";
import { xOfFrame } from "../../../editor/scale.ts";
import { type Box, boxesInSight } from "../geometry/boxes.ts";
import { fadeHandles, gainLineY, LEAST_WIDTH_FOR_HANDLES, segmentBand } from "../geometry/handles.ts";
import { amplitudeOfDecibels, fadeShare } from "../geometry/loudness.ts";
import { type Extremes, extremesBetween, levelForZoom } from "../geometry/peak-columns.ts";
import type { LoadedPeaks } from "../media/peaks-cache.ts";
import { drawAbove, drawGrid } from "./draw-grid.ts";
import { drawGhosts, drawInvitation, drawLabel, fillBodies, hatch, outlineChosen, setLabelStyle } from "./draw-segments.ts";
import type { Scene } from "./scene.ts";

/** The name stands above the waveform. */
const NAME_HEIGHT = 16;
const MUTED_ALPHA = 0.35;
const HANDLE_ROOM = 14;

export function drawAudio(context: CanvasRenderingContext2D, scene: Scene, track: AudioTrack, width: number, height: number): void {
  const { palette } = scene;
  drawGrid(context, scene, width, height);
  const boxes = boxesInSight(track.segments, scene.scale, width);
  if (track.muted) context.globalAlpha = MUTED_ALPHA;
  fillBodies(context, boxes, height, palette.voice);
  drawWaveforms(context, scene, track, boxes, width, height);
  setLabelStyle(context, scene);
  for (const box of boxes) {
    if (box.segment === null || box.width < 24) continue;
    drawName(context, scene, box, box.segment, width, height);
  }
  context.globalAlpha = 1;
  for (const box of boxes) {
    if (box.segment === null || box.width < 3) continue;
    drawShape(context, scene, box.segment, width, height);
  }
  outlineChosen(context, scene, boxes, height);
  const before = scene.document === scene.committed ? undefined : scene.committed.audioTracks.find((one) => one.id === track.id);
  if (before !== undefined) drawGhosts(context, scene, boxesInSight(before.segments, scene.scale, width), track.segments, height);
  if (track.segments.length === 0) drawInvitation(context, scene, scene.words.dropVoice, height);
  drawAbove(context, scene, width, height);
}

function drawName(context: CanvasRenderingContext2D, scene: Scene, box: Box<AudioSegment>, segment: AudioSegment, width: number, height: number): void {
  const missing = scene.missingMedia.has(segment.mediaId);
  const { top, bottom } = segmentBand(height);
  if (missing) {
    hatch(context, box.x, top, box.width, bottom - top, scene.palette.dangerFill);
    setLabelStyle(context, scene);
  }
  const name = scene.media.get(segment.mediaId)?.name ?? "";
  const prefix = missing ? scene.words.missingFile : scene.peaks.hasFailed(segment.mediaId) ? scene.words.noWaveform : "";
  // The fade handle stands where the name would begin.
  const indent = showsHandles(scene, segment) ? HANDLE_ROOM : 0;
  drawLabel(context, scene, box, prefix === "" ? name : `${prefix} ${name}`, width, top + NAME_HEIGHT / 2 + 1, indent);
}

/** Handles stand only on what the pointer is on or what is selected. */
function showsHandles(scene: Scene, segment: AudioSegment): boolean {
  if (scene.readOnly || segment.duration * scene.scale.pixelsPerFrame < LEAST_WIDTH_FOR_HANDLES) return false;
  return scene.selection.has(segment.id) || (scene.hover?.kind === "segment" && scene.hover.segment.id === segment.id);
}

/** All waveforms of a track as one shape: a path of two points per pixel column, filled once. */
function drawWaveforms(context: CanvasRenderingContext2D, scene: Scene, track: AudioTrack, boxes: readonly Box<AudioSegment>[], width: number, height: number): void {
  const { top, bottom } = segmentBand(height);
  const middle = (top + NAME_HEIGHT - 2 + bottom) / 2;
  const half = (bottom - top - NAME_HEIGHT) / 2;
  const level = levelForZoom(scene.scale.pixelsPerFrame);
  // Most segments of a track are of one recording.
  const peaks = new Map<string, LoadedPeaks | null>();
  const peaksOf = (mediaId: string): LoadedPeaks | null => {
    if (!peaks.has(mediaId)) peaks.set(mediaId, scene.peaks.best(mediaId, level));
    return peaks.get(mediaId) ?? null;
  };
  context.beginPath();
  for (const box of boxes) {
    const loaded = box.segment === null || box.width < 2 ? null : peaksOf(box.segment.mediaId);
    if (box.segment !== null && loaded !== null) addWaveform(context, scene, track, box.segment, box, loaded, width, middle, half);
  }
  context.fillStyle = scene.palette.waveform;
  context.fill();
}

function addWaveform(context: CanvasRenderingContext2D, scene: Scene, track: AudioTrack, segment: AudioSegment, box: Box<AudioSegment>, loaded: LoadedPeaks, width: number, middle: number, half: number): void {
  const { scale } = scene;
  const file = scene.media.get(segment.mediaId);
  if (file?.kind !== "audio") return;
  const gain = amplitudeOfDecibels(segment.gainDecibels) * amplitudeOfDecibels(track.gainDecibels);
  const sourceFrame = (segment.sourceStart / file.sampleRate) * FRAMES_PER_SECOND;
  const [from, to] = [Math.max(0, Math.floor(box.x)), Math.min(width, Math.ceil(box.x + box.width))];
  const framesPerPixel = 1 / scale.pixelsPerFrame;
  const extremes: Extremes = { low: 0, high: 0 };
  const lows: number[] = [];
  for (let x = from; x < to; x += 1) {
    const offset = scale.scroll + x * framesPerPixel - segment.start;
    extremesBetween(loaded.pairs, loaded.level, sourceFrame + offset, sourceFrame + offset + framesPerPixel, extremes);
    const factor = gain * fadeShare(segment, offset) * half;
    // At least half a pixel, so that silence is a line and not a hole.
    const high = middle - Math.min(half, Math.max(0.5, extremes.high * factor));
    lows.push(middle + Math.min(half, Math.max(0.5, -extremes.low * factor)));
    if (x === from) context.moveTo(x, high);
    else context.lineTo(x, high);
  }
  context.lineTo(to, middle);
  for (let index = lows.length - 1; index >= 0; index -= 1) context.lineTo(from + index, lows[index] ?? middle);
  context.closePath();
}

/** Fades, gain line and handles. */
function drawShape(context: CanvasRenderingContext2D, scene: Scene, segment: AudioSegment, width: number, height: number): void {
  const { palette, scale } = scene;
  const { top, bottom } = segmentBand(height);
  const left = xOfFrame(scale, segment.start);
  const right = xOfFrame(scale, segment.start + segment.duration) - 1;
  const active = showsHandles(scene, segment);

  shadeFade(context, palette.shade, left, left + segment.fadeIn * scale.pixelsPerFrame, top, bottom);
  shadeFade(context, palette.shade, right, right - segment.fadeOut * scale.pixelsPerFrame, top, bottom);

  if (active || segment.gainDecibels !== 0) {
    const y = Math.round(gainLineY(segment.gainDecibels, height)) + 0.5;
    context.strokeStyle = palette.onTrack;
    context.globalAlpha = active ? 0.9 : 0.5;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.max(0, left + 2), y);
    context.lineTo(Math.min(width, right - 2), y);
    context.stroke();
    context.globalAlpha = 1;
  }
  if (!active) return;
  const handles = fadeHandles(segment, scale, height);
  context.fillStyle = palette.onTrack;
  context.strokeStyle = palette.voice;
  context.lineWidth = 1.5;
  for (const { x, y } of [handles.fadeIn, handles.fadeOut]) {
    context.beginPath();
    context.arc(x, y, 4, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

/** The part that a fade takes away: a triangle above its straight line. */
function shadeFade(context: CanvasRenderingContext2D, colour: string, edge: number, inner: number, top: number, bottom: number): void {
  if (Math.abs(inner - edge) < 1) return;
  context.fillStyle = colour;
  context.globalAlpha = 0.5;
  context.beginPath();
  context.moveTo(edge, bottom);
  context.lineTo(edge, top);
  context.lineTo(inner, top);
  context.closePath();
  context.fill();
  context.globalAlpha = 1;
}

