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

const HEIGHTS = { portrait: 40, prompt: 34, audio: 58, output: 54 } as const;
/** Line between two tracks. */
export const ROW_GAP = 1;
export const RULER_HEIGHT = 32;

export function rowKey(track: TrackRef): string {
  return track.kind === "audio" ? `audio:${track.trackId}` : track.kind;
}

/** The rows from top to bottom: portrait, prompt, voices, video. */
export function rowsOf(audioTrackIds: readonly string[]): readonly Row[] {
  const tracks: TrackRef[] = [{ kind: "portrait" }, { kind: "prompt" }, ...audioTrackIds.map((trackId): TrackRef => ({ kind: "audio", trackId })), { kind: "output" }];
  let top = 0;
  return tracks.map((track) => {
    const row: Row = { track, key: rowKey(track), top, height: HEIGHTS[track.kind] };
    top += row.height + ROW_GAP;
    return row;
  });
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
