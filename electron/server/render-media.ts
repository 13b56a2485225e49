import { join } from "node:path";
import type { ProjectDocument } from "../contract/document/project-document.schema.ts";
import { type AudioPiece, soundOfTakes } from "../contract/document/take-sound.ts";
import { findMedia, framesOfProject } from "../contract/document/timeline.ts";
import type { ExportRequest } from "../contract/jobs.schema.ts";
import { type Cue, cuesOfMarkers } from "./media/captions/cues.ts";
import { readCaptions } from "./media/captions/read-captions.ts";
import { exportTimeline, type ExportTools } from "./media/exporter.ts";
import { type MixPlan, placePieces } from "./media/mix-plan.ts";
import { writeMixAsWav } from "./media/mixer.ts";
import { mediaPath } from "./projects/media-files.ts";
import type { ExportPort, RenderPorts } from "./render/ports.ts";

/** Rendering and media know nothing of each other; here they meet. */

/** A take's sound as WAV, through the media capability's mixer. */
export function mixWith({ sounds }: ExportTools): RenderPorts["mix"] {
  return async ({ document, projectFolder, take, target }, signal) => {
    const plan = mixPlan(document, projectFolder, take.sound.pieces, take.frames);
    await writeMixAsWav(sounds, plan, { start: 0, end: plan.samples }, target, { signal });
  };
}

/** Exports through the media capability's exporter. */
export function exportWith(tools: ExportTools): ExportPort {
  return async ({ request, document, projectFolder, takes, target }, options) => {
    const frames = framesOfProject(document);
    const pieces = soundOfTakes(document.audioTracks, document.media, [{ start: 0, frames }])[0]?.pieces ?? [];
    const sound = mixPlan(document, projectFolder, pieces, frames);
    return exportTimeline(tools, { request, frames, takes, sound, cues: await captionsOf(request, document, projectFolder), target }, options);
  };
}

/** The captions that an export wants, of the whole timeline. Throws MEDIA_UNKNOWN, MEDIA_MISSING, or why the file cannot be read. */
async function captionsOf(request: ExportRequest, document: ProjectDocument, projectFolder: string): Promise<readonly Cue[]> {
  const source = request.format === "mp4" ? request.captions?.source : request.format === "srt" || request.format === "vtt" ? request.source : undefined;
  if (source === undefined) return [];
  if (source.kind === "markers") return cuesOfMarkers(document.markers, framesOfProject(document));
  return readCaptions(await mediaPath(projectFolder, document, source.mediaId), findMedia(document, source.mediaId)?.name ?? "");
}

function mixPlan(document: ProjectDocument, projectFolder: string, pieces: readonly AudioPiece[], frames: number): MixPlan {
  const media = new Map(document.media.map((one) => [one.id, one]));
  return placePieces(pieces, frames, (mediaId) => {
    const file = media.get(mediaId);
    if (file?.kind !== "audio") return null;
    const { path, name, samples, sampleRate, channels } = file;
    return { path: join(projectFolder, path), name, samples, sampleRate, channels };
  });
}
