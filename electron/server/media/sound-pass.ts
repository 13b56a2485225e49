import type { Ffmpeg } from "./ffmpeg.ts";
import { soundInput } from "./ffmpeg-input.ts";
import { readWavStart } from "./wav-header.ts";

/** Takes decoded sound piece by piece. */
export interface SoundSink {
  /** Called once, before the first samples. */
  readonly begin: (format: { readonly sampleRate: number; readonly channels: number }) => void;
  /** Interleaved samples, full scale 1. The array is used again for the next call. Waits for a promise. */
  readonly add: (samples: Float32Array) => void | Promise<void>;
}

export interface SoundPassResult {
  /** Samples per channel, as decoded. */
  readonly samples: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** What ffmpeg said: facts of the file's header, and complaints. */
  readonly messages: string;
}

/**
 * Decodes a whole recording once, at its own rate and channels. The rate changes nowhere: what changes inside the file is adapted
 * to how it begins. Throws FfmpegFailure when nothing can be read, or the signal's reason.
 */
export async function passThroughSound(ffmpeg: Ffmpeg, path: string, sink: SoundSink, signal?: AbortSignal): Promise<SoundPassResult> {
  const stream = new WavStream(sink);
  // "info" names the duration that the header promises.
  const args = ["-loglevel", "info", "-nostats", ...soundInput(path), "-map", "0:a:0", "-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "pipe:1"];
  const { messages } = await ffmpeg.run(args, {
    signal,
    output: async (stdout) => {
      for await (const chunk of stdout) await stream.take(chunk);
    },
  });
  return { ...stream.facts(), messages };
}

/** Reads the WAV that ffmpeg writes, as it comes. */
class WavStream {
  readonly #sink: SoundSink;
  #start: Buffer = Buffer.alloc(0);
  #cutter: FrameCutter | null = null;
  #sampleRate = 0;
  #samples = 0;

  constructor(sink: SoundSink) {
    this.#sink = sink;
  }

  async take(chunk: Buffer): Promise<void> {
    if (this.#cutter !== null) return this.#pass(this.#cutter, chunk);
    this.#start = Buffer.concat([this.#start, chunk]);
    const header = readWavStart(this.#start);
    if (header === null) return;
    this.#cutter = new FrameCutter(header.channels);
    this.#sampleRate = header.sampleRate;
    this.#sink.begin(header);
    await this.#pass(this.#cutter, this.#start.subarray(header.dataOffset));
  }

  facts(): Omit<SoundPassResult, "messages"> {
    return { samples: this.#samples, sampleRate: this.#sampleRate, channels: this.#cutter?.channels ?? 0 };
  }

  async #pass(cutter: FrameCutter, bytes: Uint8Array): Promise<void> {
    const whole = cutter.cut(bytes);
    this.#samples += whole.length / cutter.channels;
    if (whole.length > 0) await this.#sink.add(whole);
  }
}

/** Cuts a byte stream into whole frames of 32-bit floats, aligned in memory. */
export class FrameCutter {
  readonly channels: number;
  readonly #frameBytes: number;
  #memory = new ArrayBuffer(1 << 17);
  #kept = 0;

  constructor(channels: number) {
    this.channels = channels;
    this.#frameBytes = channels * Float32Array.BYTES_PER_ELEMENT;
  }

  /** All whole frames up to the end of `chunk`; valid until the next call. What is left over waits for the next chunk. */
  cut(chunk: Uint8Array): Float32Array {
    const total = this.#kept + chunk.length;
    if (total > this.#memory.byteLength) {
      const larger = new ArrayBuffer(2 ** Math.ceil(Math.log2(total)));
      new Uint8Array(larger).set(new Uint8Array(this.#memory, 0, this.#kept));
      this.#memory = larger;
    }
    const bytes = new Uint8Array(this.#memory);
    bytes.set(chunk, this.#kept);
    const whole = total - (total % this.#frameBytes);
    const samples = new Float32Array(this.#memory, 0, whole / Float32Array.BYTES_PER_ELEMENT);
    this.#kept = total - whole;
    if (this.#kept === 0) return samples;
    // What is left over moves to the front, where the frames are that go out.
    const result = samples.slice();
    bytes.copyWithin(0, whole, total);
    return result;
  }
}
