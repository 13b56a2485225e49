import { join } from "node:path";
import { GIGABYTE } from "../../contract/byte-size.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import { clipsOfFrames } from "../../contract/time.ts";
import { mediaGone } from "./render-faults.ts";
import type { PlannedTake } from "./render-plan.ts";
import { takeFolder } from "./take-folders.ts";

/** Saved states let an edit in the middle start nearby. They may use this share of the free disk, within these bounds. */
const STATE_SHARE_OF_FREE_DISK = 0.05;
const MOST_STATE_BYTES: Readonly<Record<Quality, number>> = { preview: 2 * GIGABYTE, final: 8 * GIGABYTE };

/** Bytes that the saved states of one take may use. */
export function stateBudget(quality: Quality, freeDiskBytes: number): number {
  return Math.min(MOST_STATE_BYTES[quality], Math.floor(freeDiskBytes * STATE_SHARE_OF_FREE_DISK));
}

export interface EngineJobFacts {
  readonly document: ProjectDocument;
  readonly projectFolder: string;
  readonly quality: Quality;
  /** The take's mixed sound. */
  readonly soundPath: string;
  readonly freeDiskBytes: number;
}

/**
 * A take as the engine is asked for it: clips only, kept in the take's folder.
 * @throws FaultError MEDIA_MISSING
 */
export function engineJob({ take, clips }: PlannedTake, facts: EngineJobFacts): EngineJob {
  const { document, projectFolder, quality, soundPath, freeDiskBytes } = facts;
  const settings = document.settings[quality];
  const portrait = document.media.find((media) => media.id === take.portraitMediaId);
  if (portrait === undefined) throw mediaGone(take.portraitMediaId, "portrait");
  return {
    image: join(projectFolder, portrait.path),
    audio: [soundPath],
    prompts: take.prompts.map(({ startBlock, text }) => ({ start_block: startBlock, text })),
    output: null,
    size: { width: settings.width, height: settings.height },
    base_seed: document.settings.baseSeed,
    infer_frames: document.settings.inferFrames,
    sample_steps: settings.sampleSteps,
    num_clip: clips < clipsOfFrames(take.frames, document.settings.inferFrames) ? clips : null,
    work_dir: takeFolder(projectFolder, quality, take.id),
    state_budget_bytes: stateBudget(quality, freeDiskBytes),
    // The cut at 0 says that a single utterance is one too: it keeps its level when another joins it.
    speech_cuts: [0, ...take.sound.speechCuts],
  };
}
