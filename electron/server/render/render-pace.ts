import { FRAMES_PER_BLOCK } from "../../contract/time.ts";

/** The last blocks speak for what comes; older ones were made under other load. */
const BLOCKS_REMEMBERED = 24;
/** The first block of a take waits for things that later ones find ready. */
const BLOCKS_BEFORE_A_FORECAST = 2;

/** How fast a render goes, from the engine's own durations of blocks: no clock of ours, which may jump or sleep. */
export class RenderPace {
  readonly #recent: number[] = [];
  #blocks = 0;

  /** A block took `seconds`. The first one of a take does not count. */
  add(seconds: number, isFirstOfTake: boolean): void {
    if (isFirstOfTake) return;
    this.#blocks += 1;
    this.#recent.push(seconds);
    if (this.#recent.length > BLOCKS_REMEMBERED) this.#recent.shift();
  }

  /** Median of the last blocks; null before there are any. */
  get secondsPerBlock(): number | null {
    if (this.#blocks < BLOCKS_BEFORE_A_FORECAST) return null;
    const sorted = this.#recent.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  get framesPerSecond(): number | null {
    const seconds = this.secondsPerBlock;
    return seconds === null || seconds <= 0 ? null : FRAMES_PER_BLOCK / seconds;
  }

  secondsFor(blocks: number): number | null {
    const seconds = this.secondsPerBlock;
    return seconds === null ? null : seconds * blocks;
  }
}
