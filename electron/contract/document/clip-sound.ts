import { FRAMES_PER_SECOND } from "../time.ts";
import { fingerprint } from "./fingerprint.ts";
import type { AudioPiece, TakeSound, Utterance } from "./take-sound.ts";
import { endOf } from "./timeline.ts";

/**
 * How far ahead of a clip the sound still matters to it. The speech model hears an utterance in stretches of at most 60 s and chooses where to cut from
 * what comes next; a little more, so that an edit just behind is not missed.
 */
const FRAMES_HEARD_AHEAD = 62 * FRAMES_PER_SECOND;

const remembered = new WeakMap<TakeSound, Map<number, readonly (readonly string[])[]>>();

/**
 * For each clip of a take, a name for each utterance under it: where it begins, and a fingerprint of what is heard of it from its beginning to
 * {@link FRAMES_HEARD_AHEAD} after the clip. Names are equal exactly when the sound is the same, whatever tracks and cuts it is made of.
 * @param inferFrames frames per clip
 */
export function soundOfClips(sound: TakeSound, inferFrames: number): readonly (readonly string[])[] {
  const bySize = remembered.get(sound) ?? new Map<number, readonly (readonly string[])[]>();
  remembered.set(sound, bySize);
  const known = bySize.get(inferFrames);
  if (known !== undefined) return known;

  const clips: string[][] = [];
  for (const utterance of sound.utterances) {
    const names = namesAlong(utterance);
    const end = endOf(utterance);
    for (let clip = Math.floor(utterance.start / inferFrames); clip * inferFrames < end; clip += 1) {
      const list = (clips[clip] ??= []);
      list.push(names((clip + 1) * inferFrames + FRAMES_HEARD_AHEAD - utterance.start));
    }
  }
  bySize.set(inferFrames, clips);
  return clips;
}

/** Something that begins or ends within an utterance, with all that is needed to hear it. */
type Turn = { readonly frame: number; readonly text: string };

/** Names of an utterance up to some frame, to be asked for in ascending order. */
function namesAlong(utterance: Utterance): (end: number) => string {
  const turns = turnsOf(utterance);
  let told = 0;
  let name = "";
  return (end) => {
    let news = "";
    for (let turn = turns[told]; turn !== undefined && turn.frame < end; turn = turns[told]) {
      news += turn.text;
      told += 1;
    }
    if (news !== "") name = fingerprint(name + news);
    return `${String(utterance.start)} ${name}`;
  };
}

function turnsOf({ start, duration, pieces }: Utterance): Turn[] {
  if (pieces.length === 0) return [{ frame: 0, text: "silence" }, { frame: duration, text: ` ${String(duration)}` }];
  // Pieces that begin together are told in an order that does not depend on their tracks.
  const begun = pieces.map((piece) => ({ piece, from: piece.start - start, text: wordsFor(piece, piece.start - start) }));
  if (begun.length > 1) begun.sort((a, b) => a.from - b.from || (a.text < b.text ? -1 : 1));
  const turns = begun.flatMap(({ piece, from, text }, index): Turn[] => {
    const end = from + piece.duration;
    const { frames, outside } = piece.fadeOut;
    // A fade out is heard from where it begins, which is before its end.
    const fadesFrom = Math.max(from, end + outside - frames);
    return [{ frame: from, text }, { frame: fadesFrom, text: `end ${String(index)} ${String(end)} ${String(frames)} ${String(outside)};` }];
  });
  // Sorting keeps the order of turns at the same frame, in which a piece begins before it ends.
  return pieces.length > 1 ? turns.sort((a, b) => a.frame - b.frame) : turns;
}

function wordsFor({ sha256, sourceStart, gainDecibels, fadeIn }: AudioPiece, from: number): string {
  return `begin ${sha256} ${String(sourceStart)} ${String(gainDecibels)} ${String(from)} ${String(fadeIn.frames)} ${String(fadeIn.outside)};`;
}
