import { z } from "zod";
import { FRAMES_PER_BLOCK } from "../time.ts";
import { LIMITS } from "./limits.ts";

/** Frames; a day of video is 2,160,000. */
const frame = z.int().min(0).max(LIMITS.frame);
const duration = z.int().min(1).max(LIMITS.frame);
export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const decibels = z.number().min(LIMITS.gainDecibels.min).max(LIMITS.gainDecibels.max);

/** Files live in the project's own `media` folder under plain names: a project can be moved, and cannot point elsewhere. */
const mediaPath = z.string().regex(/^media\/[^/\\\0]{1,200}$/u).refine((path) => !/^media\/\.{1,2}$/.test(path));
const mediaCommon = {
  id: idSchema,
  path: mediaPath,
  /** Name the user knows it by. */
  name: z.string().min(1).max(LIMITS.mediaNameCharacters),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
};

export const mediaFileSchema = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("image"), ...mediaCommon, width: z.int().min(1), height: z.int().min(1) }),
  z.looseObject({ kind: z.literal("audio"), ...mediaCommon, samples: z.int().min(1), sampleRate: z.int().min(1).max(768_000), channels: z.int().min(1).max(64) }),
  /** SubRip or WebVTT; its times count from the timeline's start. `captions` says how many there are, `milliseconds` when the last one ends. */
  z.looseObject({ kind: z.literal("captions"), ...mediaCommon, captions: z.int().min(1), milliseconds: z.int().min(1) }),
]);

const segmentCommon = { id: idSchema, start: frame, duration };

/** Reference image from `start` on. A gap after it holds the picture; a change of picture is a cut. */
export const portraitSegmentSchema = z.looseObject({ ...segmentCommon, mediaId: idSchema });
/** Prompt from `start` on. A gap after it holds the prompt; a change takes effect at the next block, without a cut. */
export const promptSegmentSchema = z.looseObject({ ...segmentCommon, text: z.string().max(LIMITS.promptCharacters) });
/** Piece of a recording. Gaps are silence. */
export const audioSegmentSchema = z.looseObject({
  ...segmentCommon,
  mediaId: idSchema,
  /** First sample used, at the file's own rate. */
  sourceStart: z.int().min(0),
  gainDecibels: decibels,
  /** Frames; both together at most the duration. */
  fadeIn: frame,
  fadeOut: frame,
});

export const audioTrackSchema = z.looseObject({
  id: idSchema,
  name: z.string().max(LIMITS.trackNameCharacters),
  muted: z.boolean(),
  gainDecibels: decibels,
  segments: z.array(audioSegmentSchema).max(LIMITS.segmentsPerTrack),
});

export const markerSchema = z.looseObject({ id: idSchema, frame, label: z.string().max(LIMITS.markerLabelCharacters) });

/** What one quality renders with. The size is an area budget; the aspect comes from the portrait (mission section 2). */
export const qualitySettingsSchema = z.looseObject({
  width: z.int().min(LIMITS.pictureSide.min).max(LIMITS.pictureSide.max),
  height: z.int().min(LIMITS.pictureSide.min).max(LIMITS.pictureSide.max),
  sampleSteps: z.int().min(LIMITS.sampleSteps.min).max(LIMITS.sampleSteps.max),
});

export const projectSettingsSchema = z.looseObject({
  /** Name of a model in the model store; `demo` is shipped. */
  modelId: z.string().min(1).max(LIMITS.modelIdCharacters),
  baseSeed: z.int().min(0),
  inferFrames: z.int().min(LIMITS.inferFrames.min).max(LIMITS.inferFrames.max).multipleOf(FRAMES_PER_BLOCK),
  preview: qualitySettingsSchema,
  final: qualitySettingsSchema,
});

/** Version 1 of `project.avatar`. Unknown fields are kept, so that an older program does not drop what a newer one wrote. */
export const projectDocumentSchema = z.looseObject({
  format: z.literal("avatar-studio-project"),
  version: z.literal(1),
  id: idSchema,
  name: z.string().min(1).max(LIMITS.projectNameCharacters),
  media: z.array(mediaFileSchema).max(LIMITS.media),
  portraits: z.array(portraitSegmentSchema).max(LIMITS.segmentsPerTrack),
  prompts: z.array(promptSegmentSchema).max(LIMITS.segmentsPerTrack),
  audioTracks: z.array(audioTrackSchema).min(1).max(LIMITS.audioTracks),
  markers: z.array(markerSchema).max(LIMITS.markers),
  /** In and out points; `end` is the first frame after it. */
  range: z.object({ start: frame, end: frame }).nullable(),
  settings: projectSettingsSchema,
});

export type MediaFile = z.infer<typeof mediaFileSchema>;
export type ImageFile = Extract<MediaFile, { kind: "image" }>;
export type AudioFile = Extract<MediaFile, { kind: "audio" }>;
export type CaptionsFile = Extract<MediaFile, { kind: "captions" }>;
export type PortraitSegment = z.infer<typeof portraitSegmentSchema>;
export type PromptSegment = z.infer<typeof promptSegmentSchema>;
export type AudioSegment = z.infer<typeof audioSegmentSchema>;
export type AudioTrack = z.infer<typeof audioTrackSchema>;
export type Marker = z.infer<typeof markerSchema>;
export type QualitySettings = z.infer<typeof qualitySettingsSchema>;
export type ProjectSettings = z.infer<typeof projectSettingsSchema>;
export type ProjectDocument = z.infer<typeof projectDocumentSchema>;
export const qualitySchema = z.enum(["preview", "final"]);
export type Quality = z.infer<typeof qualitySchema>;
