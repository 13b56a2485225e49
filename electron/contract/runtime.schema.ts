import { z } from "zod";
import { faultSchema } from "./fault.schema.ts";
import { saidSchema } from "./said.schema.ts";

/** An archive that was found or picked, judged for this machine. */
export const runtimeArchiveSchema = z.object({
  id: z.string(),
  /** Such as `0.1.0-linux-x64-cu13`. */
  name: z.string(),
  gpu: z.enum(["cpu", "cu13"]),
  folder: z.string(),
  bytes: z.number(),
  unpackedBytes: z.number(),
  /** Why it cannot be installed here, the gravest first; empty when it can. */
  faults: z.array(faultSchema),
});
export type RuntimeArchive = z.infer<typeof runtimeArchiveSchema>;

/** The Python that the engine runs in, and what can be done about it. */
export const runtimeReportSchema = z.object({
  /** Null when there is none, or its place is not known yet. */
  current: z
    .object({
      /** Named by AVATAR_STUDIO_RUNTIME; made by a checkout's set-up; installed from an archive; shipped with the program. */
      kind: z.enum(["named", "checkout", "installed", "shipped"]),
      /** Of the archive it came from; null for one that came from none. */
      name: z.string().nullable(),
      folder: z.string(),
    })
    .nullable(),
  /** The one before, to which one can go back. */
  previous: z.string().nullable(),
  archives: z.array(runtimeArchiveSchema),
  /** Which archive suits this machine best. */
  recommended: z.string().nullable(),
  /** Where runtimes are installed. */
  folder: z.string(),
  activity: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("idle") }),
    z.object({ kind: z.literal("searching") }),
    z.object({ kind: z.literal("working"), said: saidSchema, doneBytes: z.number(), totalBytes: z.number() }),
    z.object({ kind: z.literal("done"), said: saidSchema, /** It works, but not as it could. */ warning: faultSchema.nullable() }),
    z.object({ kind: z.literal("failed"), fault: faultSchema }),
  ]),
});
export type RuntimeReport = z.infer<typeof runtimeReportSchema>;
