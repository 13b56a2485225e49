import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import { DEFAULT_SETTINGS, PRESETS } from "../../contract/document/presets.ts";
import { framesOfProject } from "../../contract/document/timeline.ts";
import type { EnginePlan } from "../../contract/engine-messages.schema.ts";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import type { RenderScope } from "../../contract/jobs.schema.ts";
import type { Estimate } from "../../contract/machine.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import type { ModelAbility } from "../../contract/models.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import { clipsOfFrames, FRAMES_PER_BLOCK, FRAMES_PER_SECOND } from "../../contract/time.ts";
import { faultOf } from "../common/fault-error.ts";
import { say } from "../common/say.ts";
import { diskTooSmall } from "./disk-room.ts";
import { stateBudget } from "./engine-job.ts";
import type { EnginePort, RenderPorts } from "./ports.ts";
import { planRender, type PlannedTake } from "./render-plan.ts";

/**
 * What a render would take, before it starts. The engine's planner reads only headers, so it is shown a silent recording
 * of the right length: nothing has to be mixed to know the costs.
 */

/** One stretch of video to be planned. */
interface Wanted {
  readonly imagePath: string;
  readonly width: number;
  readonly height: number;
  readonly sampleSteps: number;
  readonly inferFrames: number;
  readonly frames: number;
  readonly quality: Quality;
}

/** All that is to be made, of which the planner sees one stretch. */
interface Totals {
  readonly frames: number;
  readonly clips: number;
  readonly clipsToRender: number;
  readonly blocksToRender: number;
}

export interface EstimateDependencies {
  readonly engine: Pick<EnginePort, "plan">;
  readonly findModel: RenderPorts["findModel"];
  /** Folder for the silent recording. */
  readonly scratchFolder: string;
}

/** Never throws: what stands in the way is the estimate's fault. */
export async function estimateRender(document: ProjectDocument, projectFolder: string, quality: Quality, scope: RenderScope, outputs: readonly TakeOutput[], dependencies: EstimateDependencies): Promise<Estimate> {
  const { width, height, sampleSteps } = document.settings[quality];
  const { inferFrames, modelId } = document.settings;
  try {
    const plan = planRender(document, quality, scope, outputs);
    const totals: Totals = {
      frames: sum(plan.takes, (planned) => framesOf(planned, inferFrames)),
      clips: plan.clips,
      clipsToRender: plan.clips - plan.freshClips,
      blocksToRender: sum(plan.takes, (planned) => Math.max(0, Math.ceil((framesOf(planned, inferFrames) - planned.freshClips * inferFrames) / FRAMES_PER_BLOCK))),
    };
    const longest = plan.takes.toSorted((a, b) => b.clips - a.clips)[0];
    if (longest === undefined) return { ...nothing(width, height), fits: true, plan: [say("EVERYTHING_RENDERED", "Everything is rendered")], seconds: 0, secondsSource: "measured" };
    const portrait = document.media.find((media) => media.id === longest.take.portraitMediaId);
    const wanted: Wanted = { imagePath: join(projectFolder, portrait?.path ?? ""), width, height, sampleSteps, inferFrames, frames: framesOf(longest, inferFrames), quality };
    return await estimate(modelId, wanted, totals, dependencies);
  } catch (error) {
    return { ...nothing(width, height), fault: faultOf(error) };
  }
}

/** Length that presets are told for while there is no sound. */
const MINUTE_FRAMES = 60 * FRAMES_PER_SECOND;

/** What each preset would take from nothing, for the length of a project or for a minute. Never throws. */
export async function estimatePresets(project: { readonly document: ProjectDocument; readonly folder: string } | null, examplePortrait: string, dependencies: EstimateDependencies): Promise<{ readonly preset: string; readonly estimate: Estimate }[]> {
  const length = project === null ? 0 : framesOfProject(project.document);
  const portraitId = project?.document.portraits[0]?.mediaId;
  const portrait = project?.document.media.find((media) => media.id === portraitId);
  const imagePath = project === null || portrait === undefined ? examplePortrait : join(project.folder, portrait.path);
  const { modelId, inferFrames } = project?.document.settings ?? DEFAULT_SETTINGS;
  const estimates = [];
  for (const { id, settings, clips, quality } of PRESETS) {
    const frames = Math.min(clips * inferFrames, length === 0 ? MINUTE_FRAMES : length);
    estimates.push({ preset: id, estimate: await estimateStretch(modelId, { imagePath, ...settings, inferFrames, frames, quality }, dependencies) });
  }
  return estimates;
}

/** From a draft to the largest in daily use. */
const SIZES = [
  [384, 256],
  [704, 384],
  [704, 704],
] as const;

/** What a minute of video would take with a model, for a few sizes. Never throws. */
export async function estimateSizes(modelId: string, examplePortrait: string, dependencies: EstimateDependencies): Promise<ModelAbility[]> {
  const { inferFrames } = DEFAULT_SETTINGS;
  const { sampleSteps } = DEFAULT_SETTINGS.final;
  const abilities = [];
  for (const [width, height] of SIZES) abilities.push({ width, height, estimate: await estimateStretch(modelId, { imagePath: examplePortrait, width, height, sampleSteps, inferFrames, frames: MINUTE_FRAMES, quality: "final" }, dependencies) });
  return abilities;
}

async function estimateStretch(modelId: string, wanted: Wanted, dependencies: EstimateDependencies): Promise<Estimate> {
  const clips = clipsOfFrames(wanted.frames, wanted.inferFrames);
  const totals: Totals = { frames: wanted.frames, clips, clipsToRender: clips, blocksToRender: Math.ceil(wanted.frames / FRAMES_PER_BLOCK) };
  try {
    return await estimate(modelId, wanted, totals, dependencies);
  } catch (error) {
    return { ...nothing(wanted.width, wanted.height), frames: totals.frames, clips, clipsToRender: clips, fault: faultOf(error) };
  }
}

async function estimate(modelId: string, wanted: Wanted, totals: Totals, { engine, findModel, scratchFolder }: EstimateDependencies): Promise<Estimate> {
  const model = await findModel(modelId);
  const folder = await mkdtemp(join(scratchFolder, "plan-"));
  try {
    const sound = join(folder, "silence.wav");
    await writeSilence(sound, wanted.frames);
    const job: EngineJob = {
      image: wanted.imagePath,
      audio: [sound],
      prompts: [{ start_block: 0, text: "A person speaks." }],
      output: null,
      work_dir: join(folder, "take"),
      size: { width: wanted.width, height: wanted.height },
      base_seed: 0,
      infer_frames: wanted.inferFrames,
      sample_steps: wanted.sampleSteps,
      state_budget_bytes: stateBudget(wanted.quality, Number.MAX_SAFE_INTEGER),
    };
    return estimateOf(await engine.plan(model, job), totals);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The engine's plan of one stretch, scaled to everything. */
export function estimateOf(plan: EnginePlan, totals: Totals): Estimate {
  const { forecast, disk } = plan;
  const share = totals.frames / plan.frames;
  const diskBytes = Math.round((disk.segments + disk.sound) * share + disk.states);
  const perBlock = forecast.seconds_per_block;
  const starting = forecast.seconds === null || perBlock === null ? 0 : Math.max(0, forecast.seconds - perBlock * plan.blocks);
  const fault = diskBytes > plan.disk_available ? diskTooSmall(diskBytes, plan.disk_available, "Free some space, or choose a smaller size.") : null;
  return {
    fits: fault === null,
    plan: planWords(plan),
    width: plan.size.width,
    height: plan.size.height,
    frames: totals.frames,
    clips: totals.clips,
    clipsToRender: totals.clipsToRender,
    seconds: perBlock === null ? null : totals.clipsToRender === 0 ? 0 : starting + perBlock * totals.blocksToRender,
    secondsSource: forecast.basis === "estimate" ? "estimated" : forecast.basis,
    memoryBytes: plan.memory.peak,
    diskBytes,
    onCard: onCardOf(plan),
    fault,
  };
}

function onCardOf({ on_card: found = null }: EnginePlan): Estimate["onCard"] {
  if (found === null) return null;
  return {
    framesPerSecond: found.frames_per_second,
    firstPictureSeconds: found.first_picture_seconds,
    rejected: found.rejected.map((way) => ({ plan: phrases(way.words, way.summary), framesPerSecond: way.frames_per_second, why: way.reason ?? plain(way.why) })),
  };
}

/** Where and how it would be computed, a phrase each. */
function planWords({ device_name: name, precision, on_card: card = null, team = null }: EnginePlan): Said[] {
  const device = plain(name);
  if (card !== null) return [device, ...phrases(card.words, card.summary)];
  if (team === null) return [device, plain(precision)];
  const shares = say("SHARED_BY_RANKS", "shared by {ranks}", { ranks: team.ranks.length });
  return [device, shares, team.kind === "layers" ? say("SHARED_BY_LAYERS", "cut by layers") : say("SHARED_BY_STEPS", "cut by steps")];
}

/** Engines of before 0.2 have only the summary. */
function phrases(words: readonly Said[] | undefined, summary: string): Said[] {
  return words === undefined ? [plain(summary)] : [...words];
}

/** What every language says alike, or only English has. */
function plain(text: string): Said {
  return say("PLAIN", "{text}", { text });
}

function framesOf({ take, clips }: PlannedTake, inferFrames: number): number {
  return Math.min(take.frames, clips * inferFrames);
}

function sum(takes: readonly PlannedTake[], of: (planned: PlannedTake) => number): number {
  return takes.reduce((total, planned) => total + of(planned), 0);
}

function nothing(width: number, height: number): Estimate {
  return { fits: false, plan: [], width, height, frames: 0, clips: 0, clipsToRender: 0, seconds: null, secondsSource: "unknown", memoryBytes: null, diskBytes: null, onCard: null, fault: null };
}

const SILENCE_RATE = 8_000;
const WAV_HEADER_BYTES = 44;
/** WAV counts bytes in 32 bits: 99 hours of 8-bit sound. What is longer is planned as this. */
const MOST_FRAMES = Math.floor((2 ** 32 - 1 - WAV_HEADER_BYTES) / (SILENCE_RATE / 25) / 2);

/** A WAV header and a hole of the right length, which takes no room on most disks. */
async function writeSilence(path: string, frames: number): Promise<void> {
  const samples = (Math.min(frames, MOST_FRAMES) * SILENCE_RATE) / 25;
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + samples, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SILENCE_RATE, 24);
  header.writeUInt32LE(SILENCE_RATE, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(samples, 40);
  const file = await open(path, "wx");
  try {
    await file.write(header);
    await file.truncate(WAV_HEADER_BYTES + samples);
  } finally {
    await file.close();
  }
}
