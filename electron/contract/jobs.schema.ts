import { z } from "zod";
import { idSchema, qualitySchema } from "./document/project-document.schema.ts";
import { faultSchema } from "./fault.schema.ts";
import { saidSchema } from "./said.schema.ts";

/** What of the timeline a render covers. `stale` renders what is not fresh, `range` up to the out point (earlier clips are kept). */
export const renderScopeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("all") }),
  z.object({ kind: z.literal("stale") }),
  z.object({ kind: z.literal("range"), start: z.int().min(0), end: z.int().min(1) }),
]);
export type RenderScope = z.infer<typeof renderScopeSchema>;

/** Where captions come from: the names of the markers, or an imported file of the project. */
export const captionsSourceSchema = z.discriminatedUnion("kind", [z.object({ kind: z.literal("markers") }), z.object({ kind: z.literal("file"), mediaId: idSchema })]);
export type CaptionsSource = z.infer<typeof captionsSourceSchema>;

/** Captions of a video: an SRT file beside it, or a track in it that players can turn on. */
export const videoCaptionsSchema = z.object({ source: captionsSourceSchema, place: z.enum(["beside", "track"]) });
export type VideoCaptions = z.infer<typeof videoCaptionsSchema>;

const exportRange = z.object({ start: z.int().min(0), end: z.int().min(1) });
/** Take clips that are out of date as they are, instead of refusing. */
const useStale = z.boolean().optional();

/** `mp4` copies the finished clips with sound of the original quality; the excerpts encode anew. Frames count from the timeline's start. */
export const exportRequestSchema = z.discriminatedUnion("format", [
  z.object({ format: z.literal("mp4"), range: exportRange.nullable(), /** None when absent. */ captions: videoCaptionsSchema.optional(), useStale }),
  z.object({ format: z.enum(["webm", "gif"]), range: exportRange, width: z.int().min(32).max(4096), useStale }),
  z.object({ format: z.literal("png"), frame: z.int().min(0), useStale }),
  z.object({ format: z.literal("wav"), range: exportRange.nullable() }),
  /** Times count from the start of the range. Jobs of earlier versions name neither. */
  z.object({ format: z.enum(["srt", "vtt"]), source: captionsSourceSchema.default({ kind: "markers" }), range: exportRange.nullable().default(null) }),
]);
export type ExportRequest = z.infer<typeof exportRequestSchema>;

export const jobWorkSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("render"), quality: qualitySchema, scope: renderScopeSchema }),
  z.object({ kind: z.literal("export"), quality: qualitySchema, request: exportRequestSchema, /** Shown to the user; the full path stays with the server. */ fileName: z.string() }),
]);
export type JobWork = z.infer<typeof jobWorkSchema>;

const progress = {
  clipsDone: z.int().min(0),
  clipsTotal: z.int().min(0),
  /** Clips taken over from an earlier render, counted in `clipsDone`. */
  clipsReused: z.int().min(0),
};
const time = z.number();

/** What a render was to take, from the engine's plan. */
const expectedSchema = z.object({ memoryBytes: z.number(), framesPerSecond: z.number().nullable() });

/** Times are milliseconds since 1970, of the server's clock, for display only: nothing is decided by them. */
export const jobStateSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("queued"), ...progress, /** It had begun before and goes on from there. */ resumes: z.boolean() }),
  z.object({
    status: z.literal("running"),
    ...progress,
    startedAt: time,
    /** What it does now, in words: "Loading the model", "Clip 12". */
    doing: z.string(),
    /** The same for translations; jobs of earlier versions have none. */
    said: saidSchema.optional(),
    takeId: idSchema.nullable(),
    clip: z.int().min(0).nullable(),
    /** Share of the clip under way, 0 to 1. */
    clipShare: z.number().min(0).max(1),
    /** The picture of the newest block that is on disk: its clip, and its frame, both counted from the take's start. */
    picture: z.object({ clip: z.int().min(0), frame: z.int().min(0) }).nullable().optional(),
    framesPerSecond: z.number().nullable(),
    secondsLeft: z.number().nullable(),
    memoryBytes: z.number().nullable(),
    /** Seconds since the worker last said anything; the page says what it waits for when this grows. */
    silentSeconds: z.number(),
  }),
  z.object({ status: z.literal("stopping"), ...progress, then: z.enum(["paused", "cancelled"]) }),
  z.object({ status: z.literal("paused"), ...progress, /** Why the studio paused it by itself: the disk is full. */ fault: faultSchema.optional() }),
  z.object({ status: z.literal("cancelled"), ...progress, endedAt: time }),
  z.object({
    status: z.literal("finished"),
    ...progress,
    endedAt: time,
    seconds: z.number(),
    framesPerSecond: z.number().nullable(),
    bytes: z.number(),
    /** The most memory it was seen to use: of the card, or without one of the machine. Exports, and jobs of earlier versions, name neither. */
    peakMemoryBytes: z.number().nullable().optional(),
    /** What the engine's plan had said of it before. */
    expected: expectedSchema.nullable().optional(),
  }),
  z.object({ status: z.literal("failed"), ...progress, endedAt: time, fault: faultSchema, /** Clip it failed at, counted on the timeline. */ clip: z.int().min(0).nullable() }),
]);
export type JobState = z.infer<typeof jobStateSchema>;

export const jobSchema = z.object({
  id: idSchema,
  projectId: idSchema,
  projectName: z.string(),
  createdAt: time,
  /**
   * Revision of the project that it works on: a render's is that of its start, and while it has not begun that of the project when it was asked for.
   * `jobs.document` answers the document. Null in jobs of earlier versions.
   */
  revision: z.int().min(0).nullable().default(null),
  work: jobWorkSchema,
  /** What it was warned about so far, each once; a retry begins without. */
  warnings: z.array(saidSchema).default([]),
  state: jobStateSchema,
});
export type Job = z.infer<typeof jobSchema>;

/** One point of the queue page's charts. */
export const loadSampleSchema = z.object({
  at: time,
  framesPerSecond: z.number().nullable(),
  gpus: z.array(z.object({ uuid: z.string(), utilisation: z.number().nullable(), memoryUsedBytes: z.number().nullable(), temperature: z.number().nullable() })),
  memoryUsedBytes: z.number(),
  diskFreeBytes: z.number(),
});
export type LoadSample = z.infer<typeof loadSampleSchema>;
