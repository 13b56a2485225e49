import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** What the engine's store keeps in a model folder, as far as it is needed here. */
const recordSchema = z.object({
  version: z.literal(1),
  complete: z.boolean(),
  origin: z.union([
    z.object({ kind: z.literal("hub"), endpoint: z.string() }),
    z.object({ kind: z.literal("folder"), source: z.string(), how: z.enum(["copy", "move"]) }),
  ]),
  files: z.record(z.string(), z.object({ bytes: z.number(), sha256: z.string().nullable() })),
  /** Files of the model that lay in the folder before: the user's own. */
  own: z.array(z.string()).default([]),
});
export type StoreRecord = z.infer<typeof recordSchema>;

/** The record of a model that the studio brought; null for any other folder. */
export async function readStoreRecord(folder: string): Promise<StoreRecord | null> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(join(folder, ".model-store", "record.json"), "utf8")));
  } catch {
    return null;
  }
}
