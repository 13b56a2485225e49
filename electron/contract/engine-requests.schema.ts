import { z } from "zod";

/**
 * What an engine worker can be asked, protocol 1 (docs/protocol.md): one JSON object a line. The JSON Schema files of the
 * engine are the definition; a test holds this file against them. Unlike messages, requests may have no unknown fields.
 */
const count = z.int().min(0).max(2_147_483_647);
const id = z.string().min(1).max(200);
const absolutePath = z.string().regex(/^(\/|[A-Za-z]:[/\\]|\\\\)[^\0]*$/);

const place = z.enum(["auto", "device", "host"]);
/** Choices that the planner of a card makes unless they are made here. */
const computeWishes = z.strictObject({
  memory_limit_bytes: z.int().min(0).nullable().optional(),
  layers: place.optional(),
  cache: place.optional(),
  text_encoder: place.optional(),
  steps: z.enum(["auto", "sequential", "packed"]).optional(),
  last_step: z.enum(["run", "skip"]).optional(),
  /** Somebody waits for each picture: latency counts as well as pace. */
  live: z.boolean().optional(),
  weight_cache: z.union([z.enum(["on", "off"]), absolutePath]).optional(),
  /** Cards that share the work, from `device` on; null for one, or as `most_ranks` says. */
  ranks: z.int().min(1).max(64).nullable().optional(),
  /** Cards of which the planner takes as many as make it sooner. */
  most_ranks: z.int().min(1).max(64).optional(),
  cut: z.enum(["auto", "layers", "steps", "balanced"]).optional(),
  /** The first of several cards only decodes and encodes. */
  decoding_alone: z.boolean().optional(),
});

const modelChoice = {
  ckpt_dir: absolutePath,
  lora: z.string().min(1).nullable(),
  device: z.string().min(1).optional(),
  precision: z.enum(["auto", "fp32", "bf16", "fp8"]).optional(),
  compute: computeWishes.optional(),
};
const requestedSize = z.strictObject({ width: z.int().min(64).max(16_384), height: z.int().min(64).max(16_384) });

/** One render. Paths are absolute. Without `output`, clips only, kept in `work_dir`. */
export const engineJobSchema = z
  .strictObject({
  image: absolutePath,
  audio: z.array(absolutePath).min(1),
  prompts: z.array(z.strictObject({ start_block: count, text: z.string() })).min(1),
  output: absolutePath.nullable(),
  size: requestedSize,
  base_seed: z.int().min(0),
  infer_frames: count.optional(),
  sample_steps: count.optional(),
  num_clip: count.nullable().optional(),
  speaker_masks: z.array(absolutePath).optional(),
  pose_video: absolutePath.nullable().optional(),
  rotary_rounding: z.enum(["float16", "none"]).optional(),
  overwrite: z.boolean().optional(),
  keep_clips: z.boolean().optional(),
  work_dir: absolutePath.nullable().optional(),
  /** Disk that saved states of the take may use, for edits in its middle. */
  state_budget_bytes: z.int().min(0).nullable().optional(),
  /** Ascending frames at which an utterance begins, each heard by itself; a cut at 0 says that even a single one is. */
  speech_cuts: z.array(count).optional(),
}).refine((job) => job.output !== null || typeof job.work_dir === "string", { path: ["work_dir"], message: "needed when output is null" });
export type EngineJob = z.infer<typeof engineJobSchema>;

const loadRequest = z.strictObject({ type: z.literal("load"), request_id: id, ...modelChoice });
const planRequest = z.strictObject({ type: z.literal("plan"), request_id: id, ...modelChoice, job: engineJobSchema });
/** `compute`: for this job; without it what the load said holds. */
const renderRequest = z.strictObject({ type: z.literal("render"), request_id: id, job_id: id, job: engineJobSchema, compute: computeWishes.optional() });
/** Without a model: about the weights in memory or, if there are none, those of the earlier render. */
const compareRequest = z
  .strictObject({ type: z.literal("compare"), request_id: id, ckpt_dir: absolutePath.optional(), lora: z.string().min(1).nullable().optional(), device: modelChoice.device, precision: modelChoice.precision, compute: modelChoice.compute, job: engineJobSchema })
  .refine((request) => (request.ckpt_dir === undefined) === (request.lora === undefined) && (request.ckpt_dir !== undefined || (request.device === undefined && request.precision === undefined && request.compute === undefined)), { message: "ckpt_dir and lora come together, and device, precision and compute only with them" });
const checkImageRequest = z.strictObject({ type: z.literal("check_image"), request_id: id, path: absolutePath, size: requestedSize });
const checkAudioRequest = z.strictObject({ type: z.literal("check_audio"), request_id: id, path: absolutePath });
const checkPromptRequest = z.strictObject({ type: z.literal("check_prompt"), request_id: id, text: z.string() });
const cancelRequest = z.strictObject({ type: z.literal("cancel"), request_id: id, job_id: id });
const statusRequest = z.strictObject({ type: z.literal("status"), request_id: id });
const shutdownRequest = z.strictObject({ type: z.literal("shutdown"), request_id: id });

export const engineRequestSchema = z.discriminatedUnion("type", [loadRequest, planRequest, compareRequest, checkImageRequest, checkAudioRequest, checkPromptRequest, renderRequest, cancelRequest, statusRequest, shutdownRequest]);
export type EngineRequest = z.infer<typeof engineRequestSchema>;
/** Which weights, where, how: the fields that `load` and `plan` share. */
export type ModelChoice = Pick<z.infer<typeof loadRequest>, "ckpt_dir" | "lora" | "device" | "precision" | "compute">;
