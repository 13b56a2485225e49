import { z } from "zod";

/** What whoever publishes packages puts at the address of the update check: a small JSON file. */
export const releaseSchema = z.object({
  version: z.string().regex(/^\d{1,6}(\.\d{1,6}){2}$/),
  /** Where to get it; shown, never opened or fetched by the program. */
  page: z.url({ protocol: /^https$/ }).max(500),
  /** SHA-256 of each package, by its file name. */
  sha256: z.record(z.string().max(200), z.string().regex(/^[0-9a-f]{64}$/)),
});
export type Release = z.infer<typeof releaseSchema>;
