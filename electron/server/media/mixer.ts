import { FaultError } from "../common/fault-error.ts";
import type { MixPlan, PlacedPiece } from "./mix-plan.ts";
import { addPiece, MIX_CHANNELS, toSixteenBit } from "./mix-samples.ts";
import { MIX_SAMPLE_RATE, type SoundReader, type SoundStore } from "./sound-store.ts";
import { WAV_HEADER_BYTES, wavHeader, type WavFormat } from "./wav-header.ts";
import { writeWhole } from "./cached-file.ts";
import { open } from "node:fs/promises";

/** One second at a time: memory does not grow with the length or the number of pieces. */
const CHUNK_SAMPLES = MIX_SAMPLE_RATE;
const SIXTEEN_BIT: WavFormat = { sampleRate: MIX_SAMPLE_RATE, channels: MIX_CHANNELS, sampleFormat: "s16" };

/** Samples per channel from `start` up to `end`. */
export interface SampleSpan {
  readonly start: number;
  readonly end: number;
}

export interface MixOptions {
  readonly signal?: AbortSignal | undefined;
  /** Share done, 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/**
 * The mix over `span` in chunks of at most a second, interleaved stereo, full scale 1, not cut off. A chunk belongs to the
 * caller. The same plan gives the same samples, whatever the span. Throws MEDIA_NOT_FOUND, AUDIO_UNREADABLE, or the signal's reason.
 */
export async function* mixChunks(store: SoundStore, plan: MixPlan, span: SampleSpan, options: MixOptions = {}): AsyncGenerator<Float32Array, void, undefined> {
  const readers = new OpenReaders(store);
  const scratch = new Float32Array(CHUNK_SAMPLES * MIX_CHANNELS);
  try {
    for (let start = span.start; start < span.end; ) {
      options.signal?.throwIfAborted();
      const end = Math.min(span.end, start + CHUNK_SAMPLES);
      const mix = new Float32Array((end - start) * MIX_CHANNELS);
      for (const piece of plan.pieces) {
        if (piece.start >= end) break;
        const first = Math.max(start, piece.start);
        const count = Math.min(end, piece.start + piece.length) - first;
        if (count <= 0) continue;
        const reader = await readers.of(piece);
        const from = first - piece.start;
        await reader.read(piece.sourceStart + from, count, scratch);
        addPiece(mix, first - start, piece, from, count, scratch, reader.channels);
      }
      await readers.closeIdle(start);
      start = end;
      yield mix;
      options.onProgress?.((end - span.start) / (span.end - span.start));
    }
  } finally {
    await readers.closeAll();
  }
}

/** How many recordings that are not sounding right now stay open: a project may have thousands. */
const MOST_OPEN = 32;

class OpenReaders {
  readonly #store: SoundStore;
  readonly #open = new Map<string, { readonly reader: SoundReader; until: number }>();

  constructor(store: SoundStore) {
    this.#store = store;
  }

  async of(piece: PlacedPiece): Promise<SoundReader> {
    const end = piece.start + piece.length;
    const known = this.#open.get(piece.source.path);
    if (known !== undefined) {
      known.until = Math.max(known.until, end);
      return known.reader;
    }
    const reader = await this.#store.open(piece.source);
    this.#open.set(piece.source.path, { reader, until: end });
    return reader;
  }

  /** Closes some whose pieces have ended before `sample`, once there are many. */
  async closeIdle(sample: number): Promise<void> {
    if (this.#open.size <= MOST_OPEN) return;
    for (const [path, { reader, until }] of this.#open) {
      if (until > sample) continue;
      this.#open.delete(path);
      await reader.close();
    }
  }

  async closeAll(): Promise<void> {
    for (const { reader } of this.#open.values()) await reader.close();
  }
}

export interface WrittenMix {
  /** Samples beyond full scale that were cut off. */
  readonly clipped: number;
}

/**
 * Writes the mix over `span` as 16-bit WAV of 48,000 stereo samples a second: the same bytes for the same plan. The file appears
 * whole or not at all. Throws what {@link mixChunks} throws, and the system's errors.
 */
export async function writeMixAsWav(store: SoundStore, plan: MixPlan, span: SampleSpan, target: string, options: MixOptions = {}): Promise<WrittenMix> {
  let clipped = 0;
  await writeWhole(target, async (temporary) => {
    const file = await open(temporary, "wx");
    try {
      await file.appendFile(wavHeader(SIXTEEN_BIT, span.end - span.start));
      for await (const chunk of mixChunks(store, plan, span, options)) {
        const written = toSixteenBit(chunk);
        clipped += written.clipped;
        await file.appendFile(written.bytes);
      }
    } finally {
      await file.close();
    }
  });
  return { clipped };
}

/** A WAV file of a mix that exists only where it is read: nothing is computed or stored before somebody listens. */
export interface VirtualWav {
  readonly bytes: number;
  /** Bytes from `start` up to `end`. */
  readonly read: (start: number, end: number, signal: AbortSignal) => AsyncGenerator<Buffer, void, undefined>;
}

export function virtualWav(store: SoundStore, plan: MixPlan): VirtualWav {
  const header = wavHeader(SIXTEEN_BIT, plan.samples);
  const frameBytes = MIX_CHANNELS * 2;
  const bytes = WAV_HEADER_BYTES + plan.samples * frameBytes;
  return {
    bytes,
    read: async function* (start, end, signal) {
      if (start < 0 || end > bytes || start > end) throw new RangeError("Outside the file");
      if (start < WAV_HEADER_BYTES) yield header.subarray(start, Math.min(end, WAV_HEADER_BYTES));
      // Whole frames are mixed; a range may begin and end within one.
      const from = Math.max(0, start - WAV_HEADER_BYTES);
      const to = end - WAV_HEADER_BYTES;
      if (to <= from) return;
      const span = { start: Math.floor(from / frameBytes), end: Math.ceil(to / frameBytes) };
      let place = span.start * frameBytes;
      for await (const chunk of mixChunks(store, plan, span, { signal })) {
        const data = toSixteenBit(chunk).bytes;
        yield data.subarray(Math.max(0, from - place), Math.min(data.length, to - place));
        place += data.length;
      }
    },
  };
}

/** Refuses a plan of which nothing can be heard, where an empty file would be a surprise. */
export function requireSound(plan: MixPlan): void {
  if (plan.samples === 0) throw new FaultError({ code: "MIX_EMPTY", what: "There is no sound to write.", why: "The timeline has no length yet.", hint: "Put a recording on an audio track first." });
}
