import { z } from "zod";
import { faultSchema } from "./fault.schema.ts";
import { saidSchema } from "./said.schema.ts";

export const gpuSchema = z.object({
  /** Order of the PCI bus, as torch counts them under CUDA_DEVICE_ORDER=PCI_BUS_ID. */
  index: z.int().min(0),
  uuid: z.string(),
  name: z.string(),
  pciBus: z.string().nullable(),
  driver: z.string().nullable(),
  computeCapability: z.string().nullable(),
  memoryTotalBytes: z.number().nullable(),
  memoryFreeBytes: z.number().nullable(),
  utilisation: z.number().nullable(),
  temperature: z.number().nullable(),
  powerWatts: z.number().nullable(),
});
export type Gpu = z.infer<typeof gpuSchema>;

/** A run of `count` of the layers or steps, from number `first` on, counted from 0; a card that only decodes has none. */
const portionSchema = z.object({ first: z.int().min(0), count: z.int().min(0), of: z.int().min(0) });
export type Portion = z.infer<typeof portionSchema>;

/** A process of the engine, and its part of the video model; rank 0 is the worker itself. */
export const rankReportSchema = z.object({
  rank: z.int().min(0),
  /** As torch names it: `cpu`, `cuda:1`. */
  device: z.string(),
  /** Of its card; null on a processor, and for a card of another machine. */
  uuid: z.string().nullable(),
  state: z.enum(["starting", "loading", "working", "waiting"]),
  layers: portionSchema.nullable(),
  steps: portionSchema.nullable(),
  /** Over the last seconds. */
  framesPerSecond: z.number().nullable(),
  /** What this process holds of the card; null on a processor. */
  memory: z.object({ usedBytes: z.number(), totalBytes: z.number() }).nullable(),
});
export type RankReport = z.infer<typeof rankReportSchema>;

export const machineReportSchema = z.object({
  at: z.number(),
  gpus: z.array(gpuSchema),
  /** What the engine's processes do; none while no model is loaded. */
  ranks: z.array(rankReportSchema),
  /** Why the list may be empty or incomplete. `none` is a normal state. */
  gpuSource: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("nvidia-smi") }),
    z.object({ kind: z.literal("none") }),
    z.object({ kind: z.literal("driver-trouble"), fault: faultSchema }),
  ]),
  /** Other graphics adapters, which the engine cannot use. */
  otherGraphics: z.array(z.string()),
  processor: z.object({ name: z.string(), cores: z.int(), threads: z.int(), load: z.number().nullable() }),
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }),
  disk: z.object({ path: z.string(), totalBytes: z.number(), freeBytes: z.number() }),
  system: z.object({ platform: z.string(), release: z.string(), hostname: z.string() }),
  /** What torch sees, once a worker has said it: the final truth. */
  torch: z.object({ version: z.string(), cudaVersion: z.string().nullable(), devices: z.array(z.object({ uuid: z.string().nullable(), name: z.string() })) }).nullable(),
});
export type MachineReport = z.infer<typeof machineReportSchema>;

/** What a render would take here, from the engine's planner and the speeds measured on this machine. */
export const estimateSchema = z.object({
  fits: z.boolean(),
  /** The plan in phrases: device, precision, offload, cards. */
  plan: z.array(saidSchema),
  width: z.int(),
  height: z.int(),
  frames: z.int(),
  clips: z.int(),
  /** Clips that would be generated; the others are fresh. */
  clipsToRender: z.int(),
  seconds: z.number().nullable(),
  /** Measured here before, or only estimated. */
  secondsSource: z.enum(["measured", "estimated", "unknown"]),
  memoryBytes: z.number().nullable(),
  diskBytes: z.number().nullable(),
  /** How fast a card should be that way, and the ways that were not taken; null on a processor. */
  onCard: z
    .object({
      framesPerSecond: z.number(),
      firstPictureSeconds: z.number(),
      rejected: z.array(z.object({ plan: z.array(saidSchema), framesPerSecond: z.number(), why: saidSchema })),
    })
    .nullable(),
  fault: faultSchema.nullable(),
});
export type Estimate = z.infer<typeof estimateSchema>;

/** One line of the set-up page: a check with at most one button that mends it. */
export const setupCheckSchema = z.object({
  id: z.string(),
  area: z.enum(["machine", "runtime", "models"]),
  state: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("checking"), /** What goes on, when it takes long: a repair. */ said: saidSchema.optional() }),
    z.object({ kind: z.literal("ok"), said: saidSchema }),
    z.object({ kind: z.literal("note"), said: saidSchema }),
    z.object({ kind: z.literal("failed"), fault: faultSchema, fix: z.enum(["retry", "repair-runtime", "install-runtime", "choose-model", "free-disk", "restart-worker"]).nullable() }),
  ]),
});
export type SetupCheck = z.infer<typeof setupCheckSchema>;

export const modelSchema = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(["demo", "published", "other"]),
  /** What to know before choosing it, such as "draws cartoon avatars only". */
  note: z.string(),
  bytes: z.number(),
  licence: z.string().nullable(),
  /** Part of the program; in a folder of the user's; or brought by the studio, which can also delete it. */
  keeping: z.enum(["shipped", "folder", "store"]),
  /** How files that are damaged or missing can be brought anew. */
  mend: z.enum(["fetch", "import"]).nullable(),
  state: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("ready") }),
    z.object({ kind: z.literal("missing") }),
    z.object({ kind: z.literal("damaged"), faults: z.array(faultSchema) }),
    z.object({
      kind: z.literal("working"),
      doing: saidSchema,
      doneBytes: z.number(),
      totalBytes: z.number(),
      /** Of a download or import, which can be paused; null otherwise. */
      transfer: z.object({ bytesPerSecond: z.number().nullable(), note: saidSchema.nullable() }).nullable(),
    }),
    /** A download or import that was paused, cut off, or went wrong; what it brought is kept. */
    z.object({ kind: z.literal("unfinished"), act: z.enum(["download", "import"]), fault: faultSchema.nullable() }),
  ]),
});
export type Model = z.infer<typeof modelSchema>;

/** The engine worker as the studio sees it. */
export const workerStateSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("stopped") }),
  z.object({ status: z.literal("starting") }),
  z.object({ status: z.literal("ready"), model: z.string().nullable(), engineVersion: z.string() }),
  z.object({ status: z.literal("busy"), doing: saidSchema, jobId: z.string().nullable() }),
  z.object({ status: z.literal("restarting"), attempt: z.int(), fault: faultSchema }),
  z.object({ status: z.literal("failed"), fault: faultSchema }),
]);
export type WorkerState = z.infer<typeof workerStateSchema>;
