import { z } from "zod";

/** Frames; a day of video is 2,160,000. The limit keeps sums far from the edge of exact integers. */
const frame = z.int().min(0).max(100_000_000);
const duration = z.int().min(1).max(100_000_000);
export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const decibels = z.number().min(-60).max(24);

/** Files live in the project's own `media` folder under plain names: a project can be moved, and cannot point elsewhere. */
const mediaPath = z.string().regex(/^media\/[^/\\\0]{1,200}$/u).refine((path) => !/^media\/\.{1,2}$/.test(path));
const mediaCommon = {
  id: idSchema,
  path: mediaPath,
  /** Name the user knows it by. */
  name: z.string().min(1).max(300),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
};

export const mediaFileSchema = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("image"), ...mediaCommon, width: z.int().min(1), height: z.int().min(1) }),
  z.looseObject({ kind: z.literal("audio"), ...mediaCommon, samples: z.int().min(1), sampleRate: z.int().min(1).max(768_000), channels: z.int().min(1).max(64) }),
]);

const segmentCommon = { id: idSchema, start: frame, duration };

/** Reference image from `start` on. A gap after it holds the picture; a change of picture is a cut. */
export const portraitSegmentSchema = z.looseObject({ ...segmentCommon, mediaId: idSchema });
/** Prompt from `start` on. A gap after it holds the prompt; a change takes effect at the next block, without a cut. */
export const promptSegmentSchema = z.looseObject({ ...segmentCommon, text: z.string().max(20_000) });
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
  name: z.string().max(200),
  muted: z.boolean(),
  gainDecibels: decibels,
  segments: z.array(audioSegmentSchema).max(20_000),
});

export const markerSchema = z.looseObject({ id: idSchema, frame, label: z.string().max(500) });

/** What one quality renders with. The size is an area budget; the aspect comes from the portrait (mission section 2). */
export const qualitySettingsSchema = z.looseObject({
  width: z.int().min(64).max(16_384),
  height: z.int().min(64).max(16_384),
  sampleSteps: z.int().min(1).max(6),
});

export const projectSettingsSchema = z.looseObject({
  /** Name of a model in the model store; `demo` is shipped. */
  modelId: z.string().min(1).max(200),
  baseSeed: z.int().min(0),
  inferFrames: z.int().min(12).max(4_800).multipleOf(12),
  preview: qualitySettingsSchema,
  final: qualitySettingsSchema,
});

/** Version 1 of `project.avatar`. Unknown fields are kept, so that an older program does not drop what a newer one wrote. */
export const projectDocumentSchema = z.looseObject({
  format: z.literal("avatar-studio-project"),
  version: z.literal(1),
  id: idSchema,
  name: z.string().min(1).max(200),
  media: z.array(mediaFileSchema).max(20_000),
  portraits: z.array(portraitSegmentSchema).max(20_000),
  prompts: z.array(promptSegmentSchema).max(20_000),
  audioTracks: z.array(audioTrackSchema).min(1).max(64),
  markers: z.array(markerSchema).max(20_000),
  /** In and out points; `end` is the first frame after it. */
  range: z.object({ start: frame, end: frame }).nullable(),
  settings: projectSettingsSchema,
});

export type MediaFile = z.infer<typeof mediaFileSchema>;
export type ImageFile = Extract<MediaFile, { kind: "image" }>;
export type AudioFile = Extract<MediaFile, { kind: "audio" }>;
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
