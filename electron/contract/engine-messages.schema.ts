import { z } from "zod";
import { saidSchema } from "./said.schema.ts";

/**
 * What an engine worker says, protocol 1 (docs/protocol.md): one JSON object a line. The JSON Schema files of the engine are the definition; a test holds this file against them.
 * Fields, messages and event kinds that are not known here are ignored, so that a newer engine can be used.
 */
export const ENGINE_PROTOCOL = 1;

const MOST = 2_147_483_647;
const count = z.int().min(0).max(MOST);
const atLeastOne = z.int().min(1).max(MOST);
const bytes = z.int().min(0);
const seconds = z.number().min(0);
const size = z.object({ width: atLeastOne, height: atLeastOne });
const code = z.string().regex(/^[A-Z][A-Z0-9_]*$/);
/** What is filled into a sentence, by name; engines of before 0.2 name none. */
const values = z.record(z.string(), z.union([z.string(), z.number()])).optional();
const codedText = z.object({ code, text: z.string(), values });
const said = saidSchema.extend({ code });
const id = z.string().min(1).max(200);

const engineFault = z.object({ code, what: z.string(), why: z.string(), hint: z.string(), field: z.string().nullable(), values });
const device = z.object({
  index: count,
  name: z.string(),
  uuid: z.string().nullable(),
  capability: z.string().regex(/^\d+\.\d+$/),
  memory_total: bytes,
  memory_free: bytes.nullable(),
});
const precision = z.enum(["fp32", "bf16"]);
const loadedModel = z.object({
  ckpt_dir: z.string(),
  lora: z.string().nullable(),
  device: z.string(),
  denoiser_precision: precision,
  vae_precision: precision,
  weights_fingerprint: z.string(),
});
export type LoadedModel = z.infer<typeof loadedModel>;

/** How a card computes a render. The choices themselves are the engine's own concern; `summary` says them in words. */
const planOnCard = z.object({
  plan: z.object({
    engine: z.enum(["plain", "flat"]),
    weights: z.enum(["float32", "bfloat16", "float8"]),
    vae: z.enum(["float32", "bfloat16"]),
    cache: z.enum(["wide", "float8"]),
    attention: z.string(),
    kernels: z.enum(["auto", "fused", "plain"]),
    placement: z.object({ resident_layers: bytes.nullable(), conditions: z.enum(["wide", "float8", "int8"]), host_text: z.boolean(), host_audio: z.boolean() }),
    streamed_cache: z.boolean(),
    steps: z.enum(["sequential", "packed"]),
    graphs: z.boolean(),
    last_step: z.enum(["run", "skip"]),
    text_encoder: z.enum(["device", "host", "int8"]),
    keep_primed: z.boolean().optional(),
  }),
  summary: z.string(),
  /** The phrases of the summary. */
  words: z.array(said).optional(),
  peak: bytes,
  worst_moment: z.enum(["load", "prompt", "portrait", "prefill", "blocks", "sound"]),
  /** Bytes of main memory. */
  host: bytes,
  frames_per_second: seconds,
  first_picture_seconds: seconds,
  rates: z.string(),
  rejected: z.array(z.object({ summary: z.string(), words: z.array(said).optional(), peak: bytes, frames_per_second: seconds, why: z.string(), /** The same as `why`. */ reason: said.optional() })),
});

/** How several cards share a render. `peak` and `host` are bytes, where cards were planned. */
const planOfTeam = z.object({
  ranks: z.array(z.object({ rank: bytes, device: z.string(), layers: bytes, units: bytes, peak: bytes.optional(), host: bytes.optional() })),
  summary: z.string(),
  kind: z.enum(["layers", "steps", "balanced"]),
  /** Rank 0 only decodes and encodes. */
  decoding_alone: z.boolean(),
  frames_per_second: seconds.nullable(),
  first_picture_seconds: seconds.nullable(),
  options: z.array(z.object({ summary: z.string(), frames_per_second: seconds })),
  refused: z.array(z.object({ summary: z.string(), why: z.string() })),
});

const enginePlan = z.object({
  device: z.string(),
  device_name: z.string(),
  precision,
  vae_precision: precision,
  parameters: bytes,
  requested: size,
  size,
  image: size,
  infer_frames: count,
  sample_steps: count,
  last_step: z.enum(["run", "skip"]).optional(),
  audio_seconds: seconds,
  left_out_seconds: seconds,
  frames: atLeastOne,
  clips: atLeastOne,
  blocks: atLeastOne,
  seconds,
  tokens: z.object({ frame: bytes, block: bytes, conditions: bytes, window: bytes }),
  memory: z.object({
    denoiser: bytes,
    vae: bytes,
    text_encoder: bytes,
    speech_encoder: bytes,
    kv_cache: bytes,
    activations: bytes,
    vae_work: bytes,
    process: bytes,
    /** Caches that are there already while the prompt is encoded. */
    held: bytes.optional(),
    peak: bytes,
    render: bytes,
    prepare: bytes,
  }),
  memory_available: bytes,
  disk: z.object({ segments: bytes, final: bytes, states: bytes, state: bytes, sound: bytes, peak: bytes }),
  disk_available: bytes,
  forecast: z.object({
    basis: z.enum(["measured", "estimate", "unknown"]),
    seconds: seconds.nullable(),
    seconds_per_block: seconds.nullable(),
    frames_per_second: seconds.nullable(),
  }),
  warnings: z.array(codedText),
  /** Null where the network is computed as published: on a processor, and in fp32. */
  on_card: planOnCard.nullable().optional(),
  team: planOfTeam.nullable().optional(),
});
export type EnginePlan = z.infer<typeof enginePlan>;

/** On the card; null on a processor. */
const deviceMemory = z.object({ allocated: bytes, reserved: bytes }).nullable();
/** What goes on since the last news, `seconds` ago. */
const doing = z.object({ stage: z.string(), text: z.string(), clip: bytes.nullable(), clips: z.int().min(1).nullable(), block: bytes.nullable(), seconds });

const engineEvent = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("stage"), stage: z.string(), done: bytes, total: bytes, text: z.string(), /** Of the sentence; engines of before 0.2 name none. */ code: code.optional(), values }),
  z.object({ kind: z.literal("block"), clip: count, block: count, blocks_per_clip: atLeastOne, seconds }),
  z.object({ kind: z.literal("picture"), clip: count, frame: count, path: z.string() }),
  z.object({
    kind: z.literal("clip"),
    clip: count,
    clips: atLeastOne,
    first_frame: count,
    frames: atLeastOne,
    path: z.string(),
    content_hash: z.string(),
    reused: z.boolean(),
    seconds,
    memory_bytes: bytes,
    frames_per_second: seconds.nullable(),
    device_memory: deviceMemory,
  }),
  z.object({ kind: z.literal("state"), clip: count, path: z.string(), bytes, seconds }),
  codedText.extend({ kind: z.literal("warning") }),
  z.object({ kind: z.literal("done"), path: z.string().nullable(), frames: atLeastOne, seconds, frames_per_second: seconds }),
]);
export type EngineEvent = z.infer<typeof engineEvent>;

const box = z.object({ x: z.number().min(0), y: z.number().min(0), width: z.number().min(0), height: z.number().min(0) });
const engineFinding = z.object({
  code,
  severity: z.enum(["ok", "note", "warning"]),
  measured: z.object({ value: z.number(), unit: z.string() }).nullable(),
  /** Empty when all is well. */
  wanted: z.string(),
  sentence: z.string(),
});
const length = z.int().min(1);
const checkedImage = z.object({
  /** Upright. */
  width: length,
  height: length,
  video: z.object({ width: length, height: length }),
  crop: box,
  /** Null when faces cannot be looked for on this computer. */
  faces: z.array(z.object({ box, score: z.number(), frontal: z.boolean().nullable() })).nullable(),
  findings: z.array(engineFinding),
});
const checkedAudio = z.object({
  seconds: seconds.nullable(),
  measured_seconds: seconds,
  sample_rate: length,
  channels: length,
  codec: z.string(),
  loudness: z.number().nullable(),
  peak: z.number().nullable(),
  speech_share: z.number().min(0).max(1),
  findings: z.array(engineFinding),
});
export type EngineFinding = z.infer<typeof engineFinding>;
export type CheckedImage = z.infer<typeof checkedImage>;
export type CheckedAudio = z.infer<typeof checkedAudio>;

/** A run of `count` of the layers or steps, from number `first` on, counted from 0. */
const portion = z.object({ first: bytes, count: bytes, of: bytes });
/** What each process of a render does; rank 0 is the worker. `uuid` and `memory` are of the rank's card, null on a processor; without a model there are none. */
const engineRanks = z.array(
  z.object({
    rank: count,
    device: z.string(),
    uuid: z.string().nullable().optional(),
    phase: z.string(),
    done: bytes,
    layers: portion.optional(),
    steps: portion.optional(),
    frames_per_second: seconds.optional(),
    memory: z.object({ allocated: bytes, reserved: bytes, total: bytes }).nullable(),
  }),
);
export type EngineRank = z.infer<typeof engineRanks>[number];

const staleReason = z.enum(["portrait", "size", "seed", "steps", "weights", "prompt", "sound", "length", "clip_frames", "rotary_rounding", "speaker_masks", "pose_video", "engine", "missing_file", "never_rendered"]);

const workerActivity = z.enum(["idle", "loading", "rendering", "stopping"]);

export const engineMessageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    protocol: z.literal(ENGINE_PROTOCOL),
    engine_version: z.string(),
    python_version: z.string(),
    process: z.object({ id: atLeastOne, started: seconds }),
    torch: z.object({ version: z.string(), cuda_version: z.string().nullable(), devices: z.array(device) }),
    processor: z.object({ name: z.string(), threads: atLeastOne, memory_total: bytes, memory_available: bytes }),
    heartbeat_seconds: atLeastOne,
    max_line_bytes: atLeastOne,
  }),
  z.object({ type: z.literal("loaded"), request_id: id, model: loadedModel, reused: z.boolean(), seconds }),
  z.object({ type: z.literal("planned"), request_id: id, plan: enginePlan }),
  z.object({ type: z.literal("compared"), request_id: id, clips: atLeastOne, fresh: count, restart: count, reasons: z.array(staleReason) }),
  z.object({ type: z.literal("image_checked"), request_id: id, image: checkedImage }),
  z.object({ type: z.literal("audio_checked"), request_id: id, audio: checkedAudio }),
  z.object({ type: z.literal("prompt_checked"), request_id: id, findings: z.array(engineFinding) }),
  z.object({ type: z.literal("accepted"), request_id: id, job_id: id }),
  z.object({ type: z.literal("event"), request_id: id, job_id: id.nullable(), event: engineEvent }),
  z.object({
    type: z.literal("finished"),
    request_id: id,
    job_id: id,
    output: z.string().nullable(),
    frames: atLeastOne,
    clips: atLeastOne,
    seconds,
    reused_clips: count,
    generated_frames: count,
    state_seconds: seconds,
    warnings: z.array(codedText),
  }),
  z.object({ type: z.literal("cancelled"), request_id: id, job_id: id, clips_on_disk: count }),
  z.object({ type: z.literal("failed"), request_id: id, job_id: id, clips_on_disk: count, error: engineFault }),
  z.object({ type: z.literal("error"), request_id: id.nullable(), error: engineFault }),
  z.object({ type: z.literal("heartbeat"), sequence: z.int().min(1), state: workerActivity, job_id: id.nullable(), memory_bytes: bytes, doing: doing.nullable(), device_memory: deviceMemory, ranks: engineRanks.optional() }),
  z.object({
    type: z.literal("status"),
    request_id: id,
    state: workerActivity,
    job_id: id.nullable(),
    clips_on_disk: count,
    model: loadedModel.nullable(),
    memory_bytes: bytes,
    uptime_seconds: seconds,
    ranks: engineRanks.optional(),
  }),
  z.object({ type: z.literal("bye"), request_id: id.nullable(), reason: z.enum(["shutdown", "end_of_input", "signal", "broken", "device_lost"]) }),
]);
export type EngineMessage = z.infer<typeof engineMessageSchema>;
export type EngineHello = Extract<EngineMessage, { type: "hello" }>;
export type EngineHeartbeat = Extract<EngineMessage, { type: "heartbeat" }>;
export type EngineFinished = Extract<EngineMessage, { type: "finished" }>;
