import { PEAK_LEVELS, PEAK_SAMPLE_RATE } from "../../contract/peaks.ts";

const FULL_SCALE = 127;
/** Pairs a second of the finest level. */
const PAIRS_PER_SECOND = PEAK_SAMPLE_RATE / PEAK_LEVELS[0];

/** Pairs of a level for a recording: each covers the same time, the last one may be cut short. */
export function pairsOfLevel(samples: number, sampleRate: number, level: number): number {
  const finest = Math.ceil((samples * PAIRS_PER_SECOND) / sampleRate);
  return Math.ceil(finest / pairsMerged(level));
}

/** Pairs of the finest level in one pair of `level`. */
function pairsMerged(level: number): number {
  const samples = PEAK_LEVELS[level];
  if (samples === undefined) throw new RangeError(`There is no level ${String(level)}`);
  return samples / PEAK_LEVELS[0];
}

/**
 * Minima and maxima of a recording that comes in pieces, of at least 400 samples a second.
 * A pair covers all channels, so that nothing audible looks silent. Memory: about 3 MB an hour.
 */
export class PeakCollector {
  readonly #sampleRate: number;
  readonly #channels: number;
  #pairs = new Int8Array(1 << 14);
  #complete = 0;
  #position = 0;
  #end: number;
  #minimum = Infinity;
  #maximum = -Infinity;

  constructor(sampleRate: number, channels: number) {
    this.#sampleRate = sampleRate;
    this.#channels = channels;
    this.#end = this.#endOfPair(0);
  }

  /** Interleaved samples, full scale 1. */
  add(samples: Float32Array): void {
    const channels = this.#channels;
    const frames = samples.length / channels;
    let frame = 0;
    while (frame < frames) {
      const stop = Math.min(frames, frame + this.#end - this.#position);
      let minimum = this.#minimum;
      let maximum = this.#maximum;
      for (let index = frame * channels; index < stop * channels; index += 1) {
        // Comparisons are false for not-a-number, which then shows as nothing.
        const value = samples[index] ?? 0;
        if (value < minimum) minimum = value;
        if (value > maximum) maximum = value;
      }
      this.#minimum = minimum;
      this.#maximum = maximum;
      this.#position += stop - frame;
      frame = stop;
      if (this.#position === this.#end) this.#closePair();
    }
  }

  /** All levels, as they are stored. Call once, after the last samples. */
  finish(): Int8Array[] {
    if (this.#position > this.#startOfPair(this.#complete)) this.#closePair();
    let finer = this.#pairs.slice(0, 2 * this.#complete);
    return PEAK_LEVELS.map((samples, level) => {
      const before = PEAK_LEVELS[level - 1];
      if (before !== undefined) finer = mergePairs(finer, samples / before);
      return finer;
    });
  }

  #closePair(): void {
    if (2 * this.#complete + 2 > this.#pairs.length) {
      const larger = new Int8Array(this.#pairs.length * 2);
      larger.set(this.#pairs);
      this.#pairs = larger;
    }
    this.#pairs[2 * this.#complete] = toByte(this.#minimum);
    this.#pairs[2 * this.#complete + 1] = toByte(this.#maximum);
    this.#complete += 1;
    this.#end = this.#endOfPair(this.#complete);
    this.#minimum = Infinity;
    this.#maximum = -Infinity;
  }

  #startOfPair(pair: number): number {
    return Math.ceil((pair * this.#sampleRate) / PAIRS_PER_SECOND);
  }

  #endOfPair(pair: number): number {
    return this.#startOfPair(pair + 1);
  }
}

/** One pair for each `count` pairs, minimum and maximum alternately; the last may come from fewer. */
export function mergePairs(pairs: Int8Array, count: number): Int8Array<ArrayBuffer> {
  const merged = new Int8Array(2 * Math.ceil(pairs.length / 2 / count));
  for (let target = 0; target < merged.length; target += 2) {
    let minimum = FULL_SCALE;
    let maximum = -FULL_SCALE;
    const stop = Math.min(pairs.length, (target / 2 + 1) * count * 2);
    for (let place = target * count; place < stop; place += 2) {
      minimum = Math.min(minimum, pairs[place] ?? minimum);
      maximum = Math.max(maximum, pairs[place + 1] ?? maximum);
    }
    merged[target] = minimum;
    merged[target + 1] = maximum;
  }
  return merged;
}

function toByte(value: number): number {
  if (!Number.isFinite(value)) return 0;
  return Math.max(-FULL_SCALE, Math.min(FULL_SCALE, Math.round(value * FULL_SCALE)));
}
