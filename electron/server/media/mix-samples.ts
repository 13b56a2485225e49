import type { PlacedPiece } from "./mix-plan.ts";

/** Channels of every mix. A mono recording is heard on both, at its own level. */
export const MIX_CHANNELS = 2;

/**
 * Adds a stretch of a piece to a mix. `sound` holds the piece's recording from its sample `from` on (counted from the piece's
 * start), `count` frames of `channels`; `target` is interleaved stereo, and `place` the frame of it where they belong.
 */
export function addPiece(target: Float32Array, place: number, piece: PlacedPiece, from: number, count: number, sound: Float32Array, channels: 1 | 2): void {
  const right = channels - 1;
  const { gain } = piece;
  const plain = piece.fadeIn.length === 0 && piece.fadeOut.length === 0;
  let out = MIX_CHANNELS * place;
  for (let index = 0, at = 0; index < count; index += 1, at += channels, out += MIX_CHANNELS) {
    const factor = plain ? gain : gain * fadeFactor(piece, from + index);
    target[out] = (target[out] ?? 0) + (sound[at] ?? 0) * factor;
    target[out + 1] = (target[out + 1] ?? 0) + (sound[at + right] ?? 0) * factor;
  }
}

/** Factor of both fades at a sample counted from the piece's start; the same as `fadeAt` of the document, sample by sample. */
export function fadeFactor({ fadeIn, fadeOut, length }: PlacedPiece, sample: number): number {
  const rising = fadeIn.length === 0 ? 1 : (sample + fadeIn.outside) / fadeIn.length;
  const falling = fadeOut.length === 0 ? 1 : (length - sample + fadeOut.outside) / fadeOut.length;
  return Math.max(0, Math.min(1, rising, falling));
}

const FULL_SCALE = 32_767;

/**
 * 16-bit little-endian samples. What is beyond full scale is cut off there: a limiter would change quieter sound around it, and with it clips
 * that nobody edited. Not-a-number becomes silence.
 */
export function toSixteenBit(mix: Float32Array): { readonly bytes: Buffer; readonly clipped: number } {
  const samples = new Int16Array(mix.length);
  let clipped = 0;
  for (let index = 0; index < mix.length; index += 1) {
    const value = Math.round((mix[index] ?? 0) * FULL_SCALE);
    if (value > FULL_SCALE) {
      samples[index] = FULL_SCALE;
      clipped += 1;
    } else if (value < -FULL_SCALE) {
      samples[index] = -FULL_SCALE;
      clipped += 1;
    } else {
      samples[index] = value;
    }
  }
  // Every processor that the program runs on is little-endian.
  return { bytes: Buffer.from(samples.buffer), clipped };
}
