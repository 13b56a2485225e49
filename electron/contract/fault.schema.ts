import { z } from "zod";
import { saidValuesSchema } from "./said.schema.ts";

/** How every error reaches the user. `field` names the input at fault, as a path such as `audio[1]`. */
export const faultSchema = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]*$/),
  what: z.string(),
  why: z.string(),
  hint: z.string(),
  field: z.string().nullable(),
  /** The figures and names in its sentences, for translations. */
  values: saidValuesSchema.optional(),
});
export type Fault = z.infer<typeof faultSchema>;

/** One judged measurement of a portrait, a recording, a prompt or the machine. It advises; the user may go on. */
export const findingSchema = z.object({
  code: z.string(),
  severity: z.enum(["ok", "note", "warning"]),
  /** What was measured, with its unit, such as `1024 x 1024` or `-31 dB`; null when there is nothing to measure. */
  measured: z.string().nullable(),
  /** What is wanted, such as `at least 512 x 512`. */
  wanted: z.string().nullable(),
  text: z.string(),
});
export type Finding = z.infer<typeof findingSchema>;
