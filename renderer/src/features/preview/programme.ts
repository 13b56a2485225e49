import type { Cell } from "../../../../electron/contract/document/output-lane.ts";
import type { ProjectDocument } from "../../../../electron/contract/document/project-document.schema.ts";
import { indexAfter, framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import { portraitChanges } from "../../../../electron/contract/document/takes.ts";

/** A finished clip on the timeline. `takeStart` is where its own clock begins. */
export interface PlayableClip {
  readonly takeId: string;
  readonly clip: number;
  readonly contentHash: string;
  readonly takeStart: number;
  readonly start: number;
  readonly frames: number;
}

/** What there is to see at one frame. `cell` is null where nothing can be rendered. */
export type Shown =
  | { readonly kind: "clip"; readonly clip: PlayableClip; readonly cell: Cell }
  | { readonly kind: "still"; readonly portraitMediaId: string | null; readonly cell: Cell | null };

/** What the player plays: finished clips where there are any, fresh or not, and the portrait elsewhere. */
export interface Programme {
  /** Length of the video. */
  readonly frames: number;
  readonly clips: readonly PlayableClip[];
  readonly at: (frame: number) => Shown;
}

export function programmeOf(document: ProjectDocument, cells: readonly Cell[]): Programme {
  const frames = framesOfProject(document);
  const portraits = portraitChanges(document.portraits, Math.max(1, frames));
  const starts = cells.map(({ startFrame }) => ({ start: startFrame }));
  const playable = cells.map(playableClip(cells));
  const at = (frame: number): Shown => {
    const index = indexAfter(starts, frame) - 1;
    const cell = cells[index];
    const under = cell !== undefined && frame < cell.startFrame + cell.frames ? cell : null;
    const clip = under === null ? null : (playable[index] ?? null);
    if (under !== null && clip !== null) return { kind: "clip", clip, cell: under };
    const portrait = portraits[indexAfter(portraits, frame) - 1] ?? portraits[0];
    return { kind: "still", portraitMediaId: portrait?.mediaId ?? null, cell: under };
  };
  return { frames, clips: playable.filter((clip) => clip !== null), at };
}

function playableClip(cells: readonly Cell[]): (cell: Cell, index: number) => PlayableClip | null {
  let takeStart = 0;
  return (cell, index) => {
    if (cells[index - 1]?.takeId !== cell.takeId) takeStart = cell.startFrame;
    const { contentHash } = cell.state;
    return contentHash === null ? null : { takeId: cell.takeId, clip: cell.clip, contentHash, takeStart, start: cell.startFrame, frames: cell.frames };
  };
}

/**
 * The clips a player at `frame` needs, the most urgent first: the one under it, then those ahead, then a few behind for a step back.
 * @param ahead frames wanted ahead; `behind` frames wanted behind
 */
export function clipsAround(programme: Programme, frame: number, ahead: number, behind: number): PlayableClip[] {
  const near = runAt(programme, frame).filter((clip) => clip.start < frame + ahead && endOf(clip) > frame - behind);
  const urgency = (clip: PlayableClip): number => (endOf(clip) <= frame ? 1_000_000 + frame - clip.start : clip.start - frame);
  return near.sort((first, second) => urgency(first) - urgency(second));
}

/** The clips without a gap between them that a player at `frame` is in, comes to next, or has just left. */
export function runAt({ clips }: Programme, frame: number): PlayableClip[] {
  const before = indexAfter(clips, frame) - 1;
  const under = clips[before];
  const inside = under !== undefined && frame < endOf(under) ? before : Math.min(before + 1, clips.length - 1);
  let [first, last] = [inside, inside];
  while (joins(clips[first - 1], clips[first])) first -= 1;
  while (joins(clips[last], clips[last + 1])) last += 1;
  return clips.slice(first, last + 1);
}

const endOf = (clip: PlayableClip): number => clip.start + clip.frames;
const joins = (one: PlayableClip | undefined, next: PlayableClip | undefined): boolean => one !== undefined && endOf(one) === next?.start;
