import type { ClipIngredients, TakeIngredients } from "../outputs.schema.ts";
import { clipsOfFrames, FRAMES_PER_BLOCK } from "../time.ts";
import { soundOfClips } from "./clip-sound.ts";
import type { PortraitSegment, ProjectDocument, PromptSegment, Quality } from "./project-document.schema.ts";
import { soundOfTakes, type TakeSound } from "./take-sound.ts";
import { findMedia, framesOfProject } from "./timeline.ts";

/** A prompt in force from a block on, counted from the take's start. */
export type PromptChange = { readonly startBlock: number; readonly text: string };

/** A stretch of the timeline that the engine renders in one go: one portrait, and fresh state at its start. */
export type Take = {
  /** Id of the portrait segment it begins with. */
  readonly id: string;
  /** First frame on the timeline. */
  readonly start: number;
  readonly frames: number;
  readonly portraitMediaId: string;
  /** The first one starts at block 0; no two neighbours are the same. */
  readonly prompts: readonly PromptChange[];
  readonly sound: TakeSound;
};

/** What a timeline lacks before it can be rendered. */
export type Lack = "portrait" | "prompt" | "audio";

export type Compilation = { readonly renderable: true; readonly frames: number; readonly takes: readonly Take[] } | { readonly renderable: false; readonly lacks: readonly Lack[] };

export type Ingredients = { readonly take: TakeIngredients; readonly clips: readonly ClipIngredients[] };

/** Compiles a valid document into takes that cover its timeline from frame 0 to the end, each frame once. */
export function compileTakes(document: ProjectDocument): Compilation {
  const frames = framesOfProject(document);
  const portraits = portraitChanges(document.portraits, frames);
  const prompts = promptChanges(document.prompts);
  const lacks: Lack[] = [];
  if (document.portraits.length === 0) lacks.push("portrait");
  if (prompts.length === 0) lacks.push("prompt");
  if (frames === 0) lacks.push("audio");
  if (lacks.length > 0) return { renderable: false, lacks };

  const spans = portraits.map((portrait, index) => ({ start: portrait.start, frames: (portraits[index + 1]?.start ?? frames) - portrait.start }));
  const sounds = soundOfTakes(document.audioTracks, document.media, spans);
  let firstPrompt = 0;
  const takes = portraits.map((portrait, index): Take => {
    const span = spans[index];
    const sound = sounds[index];
    if (span === undefined || sound === undefined) throw new Error("A take without its span");
    while ((prompts[firstPrompt + 1]?.frame ?? Number.POSITIVE_INFINITY) <= span.start) firstPrompt += 1;
    return { id: portrait.id, ...span, portraitMediaId: portrait.mediaId, prompts: scheduleOf(prompts, firstPrompt, span.start, span.frames), sound };
  });
  return { renderable: true, frames, takes };
}

/** What decides the pictures of a take and of each of its clips. */
export function ingredientsOfTake(document: ProjectDocument, take: Take, quality: Quality): Ingredients {
  const { inferFrames, baseSeed, modelId } = document.settings;
  const { width, height, sampleSteps } = document.settings[quality];
  const portrait = findMedia(document, take.portraitMediaId)?.sha256 ?? "";
  const sounds = soundOfClips(take.sound, inferFrames);
  const clips: ClipIngredients[] = [];
  let prompt = 0;
  for (let clip = 0; clip < clipsOfFrames(take.frames, inferFrames); clip += 1) {
    const frames = Math.min(inferFrames, take.frames - clip * inferFrames);
    const firstBlock = (clip * inferFrames) / FRAMES_PER_BLOCK;
    const endBlock = firstBlock + Math.ceil(frames / FRAMES_PER_BLOCK);
    while ((take.prompts[prompt + 1]?.startBlock ?? Number.POSITIVE_INFINITY) <= firstBlock) prompt += 1;
    clips.push({ prompts: promptsBetween(take.prompts, prompt, firstBlock, endBlock), sound: [...(sounds[clip] ?? [])], frames });
  }
  return { take: { portrait, width, height, sampleSteps, inferFrames, baseSeed, model: modelId }, clips };
}

/** Where the picture changes, from frame 0 to before `frames`: the starts of the takes. */
export function portraitChanges(segments: readonly PortraitSegment[], frames: number): { id: string; start: number; mediaId: string }[] {
  const changes: { id: string; start: number; mediaId: string }[] = [];
  for (const { id, start, mediaId } of segments) {
    const last = changes[changes.length - 1];
    // The first picture also covers what is before it.
    if (last === undefined) changes.push({ id, start: 0, mediaId });
    else if (last.mediaId !== mediaId && start < frames) changes.push({ id, start, mediaId });
  }
  return changes;
}

type TimedPrompt = { readonly frame: number; readonly text: string };

/** Where the prompt changes. A segment without words changes nothing: the prompt before it holds on. */
function promptChanges(segments: readonly PromptSegment[]): TimedPrompt[] {
  const changes: TimedPrompt[] = [];
  for (const segment of segments) {
    const text = spoken(segment);
    if (text !== "" && text !== changes[changes.length - 1]?.text) changes.push({ frame: segment.start, text });
  }
  return changes;
}

const spokenTexts = new WeakMap<PromptSegment, string>();

/** The text with single spaces, as the engine reads it: a line break or a space at the end changes no picture. */
function spoken(segment: PromptSegment): string {
  const text = spokenTexts.get(segment) ?? segment.text.replace(/\s+/g, " ").trim();
  spokenTexts.set(segment, text);
  return text;
}

/** The prompts of a take. A change takes effect at the next block; of two in one block the later holds. */
function scheduleOf(prompts: readonly TimedPrompt[], first: number, start: number, frames: number): PromptChange[] {
  const schedule: PromptChange[] = [];
  for (let index = first; index < prompts.length; index += 1) {
    const prompt = prompts[index];
    if (prompt === undefined) break;
    const startBlock = index === first ? 0 : Math.ceil((prompt.frame - start) / FRAMES_PER_BLOCK);
    if (startBlock * FRAMES_PER_BLOCK >= frames) break;
    if (schedule[schedule.length - 1]?.startBlock === startBlock) schedule.pop();
    if (schedule[schedule.length - 1]?.text !== prompt.text) schedule.push({ startBlock, text: prompt.text });
  }
  return schedule;
}

function promptsBetween(prompts: readonly PromptChange[], first: number, firstBlock: number, endBlock: number): [number, string][] {
  const runs: [number, string][] = [];
  for (let index = first; index < prompts.length; index += 1) {
    const prompt = prompts[index];
    if (prompt === undefined || prompt.startBlock >= endBlock) break;
    const end = Math.min(endBlock, prompts[index + 1]?.startBlock ?? endBlock);
    runs.push([end - Math.max(firstBlock, prompt.startBlock), prompt.text]);
  }
  return runs;
}
