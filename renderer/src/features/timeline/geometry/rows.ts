import { trackKey } from "../../../editor/track-states.ts";

/** A track of the timeline. Audio tracks are told apart by their id. */
export type TrackRef = { readonly kind: "portrait" } | { readonly kind: "prompt" } | { readonly kind: "audio"; readonly trackId: string } | { readonly kind: "output" };

export interface Row {
  readonly track: TrackRef;
  /** Unique among the rows: names canvases and elements. */
  readonly key: string;
  /** Pixels from the top of the first row. */
  readonly top: number;
  readonly height: number;
}

/** Pixels: as high as it is without a wish, and within which limits it can be made. */
export const ROW_HEIGHTS = {
  portrait: { usual: 40, least: 28, most: 160 },
  prompt: { usual: 34, least: 26, most: 160 },
  audio: { usual: 58, least: 48, most: 240 },
  output: { usual: 54, least: 40, most: 200 },
} as const;
/** Line between two tracks. */
export const ROW_GAP = 1;
export const RULER_HEIGHT = 32;

/** Heights that were chosen, by track key. */
export type ChosenHeights = Readonly<Record<string, number>>;

/** The rows from top to bottom: portrait, prompt, voices, video. */
export function rowsOf(audioTrackIds: readonly string[], chosen: ChosenHeights = {}): readonly Row[] {
  const tracks: TrackRef[] = [{ kind: "portrait" }, { kind: "prompt" }, ...audioTrackIds.map((trackId): TrackRef => ({ kind: "audio", trackId })), { kind: "output" }];
  let top = 0;
  return tracks.map((track) => {
    const key = trackKey(track);
    const row: Row = { track, key, top, height: rowHeight(track.kind, chosen[key]) };
    top += row.height + ROW_GAP;
    return row;
  });
}

/** A height as near to the wanted one as the track can have. */
export function rowHeight(kind: TrackRef["kind"], wanted: number | undefined): number {
  const { usual, least, most } = ROW_HEIGHTS[kind];
  return wanted === undefined ? usual : Math.round(Math.min(most, Math.max(least, wanted)));
}

export function rowsHeight(rows: readonly Row[]): number {
  const last = rows.at(-1);
  return last === undefined ? 0 : last.top + last.height;
}

/** The row under `y`, the nearest one when the pointer is above or below all. */
export function rowAt(rows: readonly Row[], y: number): Row | null {
  let found: Row | null = null;
  for (const row of rows) {
    if (found !== null && y < row.top) break;
    found = row;
  }
  return found;
}
