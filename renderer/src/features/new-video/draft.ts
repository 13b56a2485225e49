import type { EditCommand } from "../../../../electron/contract/document/edit/commands.ts";
import type { Preset } from "../../../../electron/contract/document/presets.ts";
import type { AudioFile, ImageFile, ProjectDocument } from "../../../../electron/contract/document/project-document.schema.ts";
import { findMedia, framesFrom, framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import type { RenderScope } from "../../../../electron/contract/jobs.schema.ts";
import { FRAMES_PER_SECOND } from "../../../../electron/contract/time.ts";

/** Length of a portrait or prompt while there is no voice yet: only how it is drawn on the timeline. */
const FRAMES_WITHOUT_VOICE = 10 * FRAMES_PER_SECOND;

/** What the New video screen shows of a project: the first of each. */
export interface Draft {
  readonly portrait: ImageFile | null;
  readonly voice: AudioFile | null;
  readonly prompt: string;
  readonly frames: number;
  /** More has been made on the timeline than this screen shows. */
  readonly edited: boolean;
}

export function draftOf(document: ProjectDocument): Draft {
  const portrait = mediaOf(document, document.portraits[0]?.mediaId);
  const segments = document.audioTracks.flatMap((track) => track.segments);
  const voice = mediaOf(document, segments[0]?.mediaId);
  return {
    portrait: portrait?.kind === "image" ? portrait : null,
    voice: voice?.kind === "audio" ? voice : null,
    prompt: document.prompts[0]?.text ?? "",
    frames: framesOfProject(document),
    edited: document.portraits.length > 1 || document.prompts.length > 1 || segments.length > 1,
  };
}

/** Nothing in it that anybody would miss. */
export function isEmpty(document: ProjectDocument): boolean {
  return document.media.length === 0 && document.prompts.every((segment) => segment.text.trim() === "");
}

const mediaOf = (document: ProjectDocument, mediaId: string | undefined) => (mediaId === undefined ? null : findMedia(document, mediaId));
const spanOf = (document: ProjectDocument): number => framesOfProject(document) || FRAMES_WITHOUT_VOICE;

/** Puts a picture in the place of the portrait. The former one leaves the project. */
export function withPortrait(document: ProjectDocument, media: ImageFile): readonly EditCommand[] {
  const before = document.portraits[0];
  if (before === undefined) {
    return [...added(document, media), { type: "addSegment", start: 0, content: { kind: "portrait", mediaId: media.id, duration: spanOf(document) }, ripple: "none" }];
  }
  return [...added(document, media), { type: "setSegmentMedia", id: before.id, mediaId: media.id }, ...removed(before.mediaId, media.id)];
}

/** Puts a recording in the place of the voice, from its first sample to its last, and stretches the rest along it. */
export function withVoice(document: ProjectDocument, media: AudioFile): readonly EditCommand[] {
  const [track] = document.audioTracks;
  const before = track?.segments[0];
  if (track === undefined) return [];
  const frames = framesFrom(media, 0);
  const stretch = [...document.portraits.slice(-1), ...document.prompts.slice(-1)].map((segment): EditCommand => ({ type: "trimSegment", id: segment.id, edge: "end", toFrame: Math.max(frames, segment.start + 1), mode: "stop" }));
  return [
    ...added(document, media),
    ...(before === undefined ? [] : ([{ type: "deleteSegments", ids: [before.id], ripple: "none" }] as const)),
    { type: "addSegment", start: 0, content: { kind: "audio", trackId: track.id, mediaId: media.id, sourceStart: 0, duration: null }, ripple: "none" },
    ...removed(before?.mediaId, media.id),
    ...stretch,
  ];
}

export function withPrompt(document: ProjectDocument, text: string): readonly EditCommand[] {
  const before = document.prompts[0];
  if (before === undefined) return text === "" ? [] : [{ type: "addSegment", start: 0, content: { kind: "prompt", text, duration: spanOf(document) }, ripple: "none" }];
  return text === before.text ? [] : [{ type: "setPromptText", id: before.id, text }];
}

function added(document: ProjectDocument, media: ImageFile | AudioFile): readonly EditCommand[] {
  return findMedia(document, media.id) === null ? [{ type: "addMedia", media }] : [];
}

function removed(before: string | undefined, now: string): readonly EditCommand[] {
  return before === undefined || before === now ? [] : [{ type: "removeMedia", mediaId: before }];
}

/** The project's settings as a preset wants them. */
export function withPreset(document: ProjectDocument, preset: Preset): readonly EditCommand[] {
  const { width, height, sampleSteps } = document.settings[preset.quality];
  const wanted = preset.settings;
  if (width === wanted.width && height === wanted.height && sampleSteps === wanted.sampleSteps) return [];
  return [{ type: "changeQuality", quality: preset.quality, change: wanted }];
}

/** What of the timeline a preset renders: at most its number of clips. */
export function scopeOf(preset: Preset, frames: number, inferFrames: number): RenderScope {
  const end = preset.clips * inferFrames;
  return end < frames ? { kind: "range", start: 0, end } : { kind: "all" };
}
