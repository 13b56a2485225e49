import type { AudioPiece, Fade } from "../../contract/document/take-sound.ts";
import { sampleOfFrame } from "../../contract/time.ts";
import { MIX_SAMPLE_RATE, type SoundSource } from "./sound-store.ts";

/** A piece of sound at its exact place. All times are samples per channel at {@link MIX_SAMPLE_RATE}. */
export interface PlacedPiece {
  readonly source: SoundSource;
  readonly start: number;
  readonly length: number;
  /** First sample of the recording. */
  readonly sourceStart: number;
  /** Factor of amplitude. */
  readonly gain: number;
  readonly fadeIn: Ramp;
  readonly fadeOut: Ramp;
}

/** A fade, linear in amplitude: `length` samples, of which `outside` lie outside the piece. */
export interface Ramp {
  readonly length: number;
  readonly outside: number;
}

/** What is heard over a stretch of time. */
export interface MixPlan {
  readonly pieces: readonly PlacedPiece[];
  readonly samples: number;
}

/** Places the pieces of `frames` frames of timeline; pieces whose recording is not there (`sourceOf` gives null) are left out. */
export function placePieces(pieces: readonly AudioPiece[], frames: number, sourceOf: (mediaId: string) => SoundSource | null): MixPlan {
  const placed = pieces.flatMap((piece): PlacedPiece[] => {
    const source = sourceOf(piece.mediaId);
    if (source === null) return [];
    return [
      {
        source,
        start: samplesOf(piece.start),
        length: samplesOf(piece.duration),
        sourceStart: Math.round((piece.sourceStart * MIX_SAMPLE_RATE) / source.sampleRate),
        gain: 10 ** (piece.gainDecibels / 20),
        fadeIn: rampOf(piece.fadeIn),
        fadeOut: rampOf(piece.fadeOut),
      },
    ];
  });
  return { pieces: placed.sort((one, other) => one.start - other.start), samples: samplesOf(frames) };
}

export function samplesOf(frames: number): number {
  return sampleOfFrame(frames, MIX_SAMPLE_RATE);
}

const rampOf = (fade: Fade): Ramp => ({ length: samplesOf(fade.frames), outside: samplesOf(fade.outside) });
