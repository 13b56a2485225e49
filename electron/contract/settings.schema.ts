import { z } from "zod";

/** What the user chose for the whole program. Unknown fields of a newer program are kept. */
export const settingsSchema = z.looseObject({
  version: z.literal(1),
  language: z.enum(["system", "en", "zh"]),
  theme: z.enum(["system", "light", "dark"]),
  /** UUIDs of the cards to use; null lets the planner choose. */
  gpus: z.array(z.string()).nullable(),
  weightPrecision: z.enum(["auto", "fp32", "bf16", "fp8"]),
  defaultModelId: z.string(),
  /** Folders searched for checkpoints in the published layout. */
  modelFolders: z.array(z.string()),
  /** Nothing is fetched from the network unless this is on. */
  networkAllowed: z.boolean(),
  /** Action id -> shortcuts that replace the default ones. */
  shortcuts: z.record(z.string(), z.array(z.string())),
  snapping: z.boolean(),
  playerVolume: z.number().min(0).max(1),
});
export type Settings = z.infer<typeof settingsSchema>;
