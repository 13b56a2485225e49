import { z } from "zod";

/** What the user chose for the whole program. Unknown fields of a newer program are kept. */
export const settingsSchema = z.looseObject({
  version: z.literal(1),
  language: z.enum(["system", "en", "zh"]),
  theme: z.enum(["system", "light", "dark"]),
  /** UUIDs of the cards to use; null: all. */
  gpus: z.array(z.string()).nullable(),
  /** The cards to use work on one video together; otherwise the first of them renders. */
  shareCards: z.boolean(),
  weightPrecision: z.enum(["auto", "fp32", "bf16", "fp8"]),
  defaultModelId: z.string(),
  /** Folders searched for checkpoints in the published layout. */
  modelFolders: z.array(z.string()),
  /** Nothing is fetched from the network unless this is on. */
  networkAllowed: z.boolean(),
  /** Folder that models are downloaded and imported into; null: in the studio's own. */
  modelStore: z.string().nullable(),
  /** Names that the user gave to models, by their id. */
  modelNames: z.record(z.string(), z.string().min(1).max(200)),
  downloads: z.object({
    /** Address of a mirror of the hub; null: the environment's HF_ENDPOINT, or the hub itself. */
    endpoint: z.url({ protocol: /^https?$/ }).nullable(),
    /** Address of an HTTP proxy; null: what the system's environment says. */
    proxy: z.url({ protocol: /^https?$/ }).nullable(),
    megabytesPerSecond: z.number().positive().max(100_000).nullable(),
    connections: z.int().min(1).max(16),
  }),
  /** Where to ask once a run whether there is a newer version; null: nobody is asked. */
  updateAddress: z.url({ protocol: /^https?$/ }).max(500).nullable(),
  /** Action id -> shortcuts that replace the default ones. */
  shortcuts: z.record(z.string(), z.array(z.string())),
  snapping: z.boolean(),
  playerVolume: z.number().min(0).max(1),
});
export type Settings = z.infer<typeof settingsSchema>;
