import { z } from "zod";
import { idSchema, qualitySchema } from "./document/project-document.schema.ts";

/**
 * What decides the pictures of one clip, in words that can be compared: a clip is stale when any of it, or an earlier clip of its take, differs.
 * `document/takes.ts` makes it from the document; the server records it with each finished clip.
 */
export const clipIngredientsSchema = z.object({
  /** Text per block, run-length coded: `[blocks, text]`. */
  prompts: z.array(z.tuple([z.int().min(1), z.string()])),
  /** Each utterance under the clip: its first frame in the take, and a fingerprint of what the clip hears of it (`document/clip-sound.ts`). */
  sound: z.array(z.string()),
  frames: z.int().min(1),
});
export type ClipIngredients = z.infer<typeof clipIngredientsSchema>;

/** What holds for all clips of a take. */
export const takeIngredientsSchema = z.object({
  portrait: z.string(),
  width: z.int(),
  height: z.int(),
  sampleSteps: z.int(),
  inferFrames: z.int(),
  baseSeed: z.int(),
  model: z.string(),
});
export type TakeIngredients = z.infer<typeof takeIngredientsSchema>;

export const renderedClipSchema = z.object({
  ingredients: clipIngredientsSchema,
  /** The engine's own hash; also the version in the clip's address, so that caches never show an old one. */
  contentHash: z.string(),
  frames: z.int().min(1),
  bytes: z.int().min(0),
});
export type RenderedClip = z.infer<typeof renderedClipSchema>;

/** The clips on disk of one take in one quality: clips 0 .. n-1 without a hole. */
export const takeOutputSchema = z.object({
  takeId: idSchema,
  quality: qualitySchema,
  ingredients: takeIngredientsSchema,
  /** Real size of the pictures. */
  width: z.int(),
  height: z.int(),
  clips: z.array(renderedClipSchema),
});
export type TakeOutput = z.infer<typeof takeOutputSchema>;
