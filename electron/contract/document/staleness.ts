import type { ClipIngredients, RenderedClip, TakeIngredients, TakeOutput } from "../outputs.schema.ts";
import type { Ingredients } from "./takes.ts";

/** Why a clip on disk is not what the timeline says now. */
export type StaleReason =
  | { readonly kind: "portrait" | "prompt" | "sound" | "size" | "steps" | "seed" | "model" | "length" | "clipLength" }
  /** Every clip goes on from the one before it; `clip` is the first stale one of the take. */
  | { readonly kind: "earlierClip"; readonly clip: number };

/** What is on disk in the place of a clip, and why it is stale: for no reason when it is fresh. Null when nothing is there. */
export type ClipOnDisk = { readonly contentHash: string; readonly reasons: readonly StaleReason[] } | null;

/** Compares each clip of a take with what is on disk. Clips on disk beyond the end of the take are left out. */
export function compareTake(wanted: Ingredients, output: TakeOutput | null): ClipOnDisk[] {
  if (output === null) return wanted.clips.map(() => null);
  const ofTake = reasonsOfTake(wanted.take, output.ingredients);
  let firstStale: number | null = null;
  return wanted.clips.map((clip, index) => {
    const found = output.clips[index];
    if (found === undefined) return null;
    const reasons = reasonsOfClip(clip, found, ofTake);
    if (firstStale !== null) reasons.push({ kind: "earlierClip", clip: firstStale });
    else if (reasons.length > 0) firstStale = index;
    return { contentHash: found.contentHash, reasons };
  });
}

function reasonsOfTake(wanted: TakeIngredients, found: TakeIngredients): StaleReason[] {
  const reasons: StaleReason[] = [];
  if (wanted.portrait !== found.portrait) reasons.push({ kind: "portrait" });
  if (wanted.width !== found.width || wanted.height !== found.height) reasons.push({ kind: "size" });
  if (wanted.sampleSteps !== found.sampleSteps) reasons.push({ kind: "steps" });
  if (wanted.inferFrames !== found.inferFrames) reasons.push({ kind: "clipLength" });
  if (wanted.baseSeed !== found.baseSeed) reasons.push({ kind: "seed" });
  if (wanted.model !== found.model) reasons.push({ kind: "model" });
  return reasons;
}

function reasonsOfClip(wanted: ClipIngredients, found: RenderedClip, ofTake: readonly StaleReason[]): StaleReason[] {
  const reasons = [...ofTake];
  const { prompts, sound, frames } = found.ingredients;
  const samePrompts = prompts.length === wanted.prompts.length && wanted.prompts.every(([blocks, text], index) => prompts[index]?.[0] === blocks && prompts[index][1] === text);
  const sameSound = sound.length === wanted.sound.length && wanted.sound.every((name, index) => name === sound[index]);
  if (!samePrompts) reasons.push({ kind: "prompt" });
  if (!sameSound) reasons.push({ kind: "sound" });
  if (frames !== wanted.frames) reasons.push({ kind: "length" });
  return reasons;
}
