import { z } from "zod";
import { faultSchema } from "./fault.schema.ts";
import { estimateSchema } from "./machine.schema.ts";

/** How a model comes from a folder: used where it lies, copied into the store, or moved there. */
export const importHowSchema = z.enum(["link", "copy", "move"]);
export type ImportHow = z.infer<typeof importHowSchema>;

/** Where models are kept, and whether anything may be fetched. */
export const modelStoreSchema = z.object({
  folder: z.string(),
  freeBytes: z.number(),
  /** The program was started with `--offline`: nothing can be fetched, whatever is clicked. */
  offline: z.boolean(),
  /** What a download asks for, and where. */
  endpoint: z.string(),
  repositories: z.array(z.string()),
  /** About what it takes; the exact size is known once the server was asked. */
  downloadBytes: z.number(),
});
export type ModelStore = z.infer<typeof modelStoreSchema>;

/** A folder that a model may be imported from, looked at. */
export const modelSourceSchema = z.object({
  name: z.string(),
  bytes: z.number(),
  usable: z.boolean(),
  faults: z.array(faultSchema),
  /** On the disk of the store: a copy or move takes no time and no room beyond reading it once. */
  sameDisk: z.boolean(),
  freeBytes: z.number(),
});
export type ModelSource = z.infer<typeof modelSourceSchema>;

/** What deleting a model gives back. */
export const modelRemovalSchema = z.object({ freedBytes: z.number(), keptFiles: z.array(z.string()) });
export type ModelRemoval = z.infer<typeof modelRemovalSchema>;

/** What mending a model would write into: a folder of the user's own, which needs their leave; null for one of the studio's. */
export const modelMendingSchema = z.object({ ownFolder: z.string().nullable() });
export type ModelMending = z.infer<typeof modelMendingSchema>;

/** What a minute of video of one size would take with a model on this machine. */
export const modelAbilitySchema = z.object({ width: z.int(), height: z.int(), estimate: estimateSchema });
export type ModelAbility = z.infer<typeof modelAbilitySchema>;
