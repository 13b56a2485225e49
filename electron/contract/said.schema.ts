import { z } from "zod";

/** What is filled into a sentence, by name. */
export const saidValuesSchema = z.record(z.string(), z.union([z.string(), z.number()]));

/**
 * A sentence about what goes on or was found: in English, and by its code with what is filled in, so that the page says it in the user's language. A code that
 * the page does not know keeps the English text.
 */
export const saidSchema = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]*$/),
  values: saidValuesSchema,
  text: z.string(),
});
export type Said = z.infer<typeof saidSchema>;
