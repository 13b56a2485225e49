import { z } from "zod";
import { jobSchema } from "../../contract/jobs.schema.ts";

/** `job.json` in a job's folder. */
export const jobRecordSchema = z.object({
  version: z.literal(1),
  job: jobSchema,
  /** Place in the queue: lower runs first. */
  order: z.number(),
  /** Time it has really run, without pauses and sleep of the program. */
  activeSeconds: z.number().min(0),
  /** Where an export goes; null for a render. */
  target: z.discriminatedUnion("kind", [z.object({ kind: z.literal("path"), path: z.string() }), z.object({ kind: z.literal("download") })]).nullable(),
});
export type JobRecord = z.infer<typeof jobRecordSchema>;
