import type { Ffmpeg } from "./ffmpeg.ts";
import type { MixPlan } from "./mix-plan.ts";
import { MIX_CHANNELS } from "./mix-samples.ts";
import { mixChunks, type MixOptions, type SampleSpan } from "./mixer.ts";
import { MIX_SAMPLE_RATE, type SoundStore } from "./sound-store.ts";

/** How sound is compressed for a video: encoded once, then copied. */
const CODECS = {
  aac: ["-c:a", "aac", "-b:a", "192k", "-f", "ipod"],
  opus: ["-c:a", "libopus", "-b:a", "128k", "-f", "webm"],
} as const;

/** Encodes the mix over `span` into a new file at `path`. Throws what the mixer throws, FfmpegFailure, or the signal's reason. */
export async function encodeMix(tools: { readonly ffmpeg: Ffmpeg; readonly sounds: SoundStore }, plan: MixPlan, span: SampleSpan, codec: keyof typeof CODECS, path: string, options: MixOptions): Promise<void> {
  const input = ["-f", "f32le", "-ar", String(MIX_SAMPLE_RATE), "-ac", String(MIX_CHANNELS), "-i", "pipe:0"];
  await tools.ffmpeg.run([...input, ...CODECS[codec], "-bitexact", "-y", `file:${path}`], { signal: options.signal, input: bytesOfChunks(mixChunks(tools.sounds, plan, span, options)) });
}

async function* bytesOfChunks(chunks: AsyncIterable<Float32Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    // Players cut off what is beyond full scale, and encoders do not expect it.
    for (let index = 0; index < chunk.length; index += 1) {
      const value = chunk[index] ?? 0;
      if (value > 1) chunk[index] = 1;
      else if (value < -1) chunk[index] = -1;
    }
    yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}
