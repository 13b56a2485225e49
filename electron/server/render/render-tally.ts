import type { Said } from "../../contract/said.schema.ts";
import { say, saidByEngine } from "../common/say.ts";
import { withWarning } from "../common/warnings.ts";
import type { EngineEvent, EnginePlan } from "../../contract/engine-messages.schema.ts";
import { assertNever } from "../../contract/assert-never.ts";
import { FRAMES_PER_BLOCK } from "../../contract/time.ts";
import { RenderPace } from "./render-pace.ts";
import type { PlannedTake } from "./render-plan.ts";

/** How far a render is, for people. */
export interface RenderProgress {
  readonly clipsDone: number;
  readonly clipsTotal: number;
  /** Of the clips done, those that an earlier render had made. */
  readonly clipsReused: number;
  readonly doing: Said;
  readonly takeId: string | null;
  /** Clip under way, counted from its take's start, and over all takes of the timeline. */
  readonly clip: number | null;
  readonly clipOnTimeline: number | null;
  readonly clipShare: number;
  /** The newest block's picture on disk, counted from its take's start. */
  readonly picture: { readonly clip: number; readonly frame: number } | null;
  readonly framesPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly memoryBytes: number | null;
  /** The most it was until now. */
  readonly peakMemoryBytes: number | null;
  /** What the engine's plan said of it: of several takes, the most. */
  readonly expected: ExpectedRender | null;
  readonly warnings: readonly Said[];
}

export interface ExpectedRender {
  readonly memoryBytes: number;
  readonly framesPerSecond: number | null;
}

/** Counts along with the engine's events. No I/O. */
export class RenderTally {
  readonly #takes: readonly PlannedTake[];
  readonly #inferFrames: number;
  readonly #pace = new RenderPace();
  #index = 0;
  #done = 0;
  #reused = 0;
  #doing: Said = say("PREPARING", "Preparing");
  #clip: number | null = null;
  #share = 0;
  #picture: RenderProgress["picture"] = null;
  #memoryBytes: number | null = null;
  #peakMemoryBytes: number | null = null;
  #expected: ExpectedRender | null = null;
  #warnings: readonly Said[] = [];
  #takeHasBlocks = false;
  /** Of takes that are done. */
  #doneBefore = 0;
  #reusedBefore = 0;

  constructor(takes: readonly PlannedTake[], inferFrames: number) {
    this.#takes = takes;
    this.#inferFrames = inferFrames;
  }

  /** Begin take `index`, or begin it again after the worker ended: its clips are reported anew. */
  beginTake(index: number): void {
    this.#index = index;
    this.#done = 0;
    this.#reused = 0;
    this.#clip = null;
    this.#share = 0;
    this.#picture = null;
    this.#takeHasBlocks = false;
    this.#doneBefore = this.#takes.slice(0, index).reduce((sum, planned) => sum + planned.clips, 0);
  }

  endTake(): void {
    this.#reusedBefore += this.#reused;
    this.#done = this.#takes[this.#index]?.clips ?? 0;
    this.#reused = 0;
    this.#clip = null;
    this.#share = 0;
    this.#picture = null;
  }

  say(doing: Said): void {
    this.#doing = doing;
  }

  observe(event: EngineEvent): void {
    switch (event.kind) {
      case "stage":
        this.#doing = saidByEngine(event);
        return;
      case "block":
        this.#pace.add(event.seconds, !this.#takeHasBlocks);
        this.#takeHasBlocks = true;
        this.#clip = event.clip;
        // Clips between a saved state and the first stale one are made again, and are done already.
        this.#share = event.clip < this.#done ? 0 : Math.min(1, (event.block + 1) / event.blocks_per_clip);
        this.#doing = event.clip < this.#done ? say("GOING_ON_FROM_CLIP", "Going on from clip {clip}", { clip: this.#onTimeline(event.clip) + 1 }) : say("CLIP", "Clip {clip}", { clip: this.#onTimeline(event.clip) + 1 });
        return;
      case "clip":
        this.#done = Math.max(this.#done, event.clip + 1);
        if (event.reused) this.#reused = Math.max(this.#reused, event.clip + 1);
        this.remember(event.device_memory?.reserved ?? event.memory_bytes);
        if (this.#clip !== null && this.#clip <= event.clip) this.#share = 0;
        return;
      case "picture":
        this.#picture = { clip: event.clip, frame: event.frame };
        return;
      case "warning":
        this.warn(saidByEngine(event));
        return;
      case "state":
      case "done":
        return;
      default:
        assertNever(event);
    }
  }

  remember(memoryBytes: number | null): void {
    if (memoryBytes === null) return;
    this.#memoryBytes = memoryBytes;
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes ?? 0, memoryBytes);
  }

  /** The engine has planned a take. */
  expect({ memory, forecast }: Pick<EnginePlan, "memory" | "forecast">): void {
    const memoryBytes = Math.max(this.#expected?.memoryBytes ?? 0, memory.peak);
    this.#expected = { memoryBytes, framesPerSecond: this.#expected?.framesPerSecond ?? forecast.frames_per_second };
  }

  warn(warning: Said): void {
    this.#warnings = withWarning(this.#warnings, warning);
  }

  progress(): RenderProgress {
    const take = this.#takes[this.#index];
    return {
      clipsDone: this.#doneBefore + this.#done,
      clipsTotal: this.#takes.reduce((sum, planned) => sum + planned.clips, 0),
      clipsReused: this.#reusedBefore + this.#reused,
      doing: this.#doing,
      takeId: take?.take.id ?? null,
      clip: this.#clip,
      clipOnTimeline: this.#clip === null ? null : this.#onTimeline(this.#clip),
      clipShare: this.#share,
      picture: this.#picture,
      framesPerSecond: this.#pace.framesPerSecond,
      secondsLeft: this.#pace.secondsFor(this.#blocksLeft()),
      memoryBytes: this.#memoryBytes,
      peakMemoryBytes: this.#peakMemoryBytes,
      expected: this.#expected,
      warnings: this.#warnings,
    };
  }

  #onTimeline(clip: number): number {
    return (this.#takes[this.#index]?.firstClip ?? 0) + clip;
  }

  #blocksLeft(): number {
    const blocks = (planned: PlannedTake, clipsDone: number): number => {
      const frames = Math.min(planned.take.frames, planned.clips * this.#inferFrames) - clipsDone * this.#inferFrames;
      return Math.max(0, Math.ceil(frames / FRAMES_PER_BLOCK));
    };
    const later = this.#takes.slice(this.#index + 1).reduce((sum, planned) => sum + blocks(planned, planned.freshClips), 0);
    const current = this.#takes[this.#index];
    if (current === undefined) return later;
    const ofClip = (this.#share * this.#inferFrames) / FRAMES_PER_BLOCK;
    return Math.max(0, blocks(current, this.#done) - ofClip) + later;
  }
}
