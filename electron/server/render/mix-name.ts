import { createHash } from "node:crypto";
import type { Take } from "../../contract/document/takes.ts";

/** Raise it when the mixer's samples change. */
const MIXER_VERSION = 1;

/** File name of a take's mixed sound: the same for the same sound, so that an unchanged mix is not made again. */
export function mixName({ frames, sound }: Take): string {
  const pieces = sound.pieces.map(({ sha256, start, duration, sourceStart, gainDecibels, fadeIn, fadeOut }) => [
    sha256,
    start,
    duration,
    sourceStart,
    gainDecibels,
    [fadeIn.frames, fadeIn.outside],
    [fadeOut.frames, fadeOut.outside],
  ]);
  return `${createHash("sha256").update(JSON.stringify([MIXER_VERSION, frames, pieces])).digest("hex").slice(0, 40)}.wav`;
}
