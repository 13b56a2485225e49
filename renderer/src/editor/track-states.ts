import { createStore, type StoreApi } from "zustand/vanilla";
import type { TrackAddress } from "../../../electron/contract/document/edit/commands.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";

/** How somebody works with the tracks of a project on this computer. Not part of the document, and not undone. */
export interface TrackStates {
  /** Keys of tracks that no edit may change. */
  readonly locked: ReadonlySet<string>;
  /** Pixels by track key, of tracks that are not as high as usual. */
  readonly heights: Readonly<Record<string, number>>;
}

export interface Tracks {
  readonly store: StoreApi<TrackStates>;
  readonly setLocked: (track: string, locked: boolean) => void;
  /** Null makes it as high as usual. */
  readonly setHeight: (track: string, height: number | null) => void;
}

/** Where the states are remembered, such as the browser's `localStorage`. */
export type Memory = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Unique among the tracks of a project, the output lane included. */
export function trackKey(track: TrackAddress | { readonly kind: "output" }): string {
  return track.kind === "audio" ? `audio:${track.trackId}` : track.kind;
}

export function createTracks(projectId: string, memory: Memory | null): Tracks {
  const name = `avatar-studio.tracks.${projectId}`;
  const store = createStore<TrackStates>(() => remembered(memory, name));
  store.subscribe(({ locked, heights }) => {
    try {
      if (locked.size === 0 && Object.keys(heights).length === 0) memory?.removeItem(name);
      else memory?.setItem(name, JSON.stringify({ locked: [...locked], heights }));
    } catch {
      // A full or forbidden storage: it holds until the page is left.
    }
  });
  return {
    store,
    setLocked: (track, locked) =>
      store.setState((state) => {
        if (state.locked.has(track) === locked) return state;
        const next = new Set(state.locked);
        if (locked) next.add(track);
        else next.delete(track);
        return { locked: next };
      }),
    setHeight: (track, height) =>
      store.setState((state) => {
        if ((state.heights[track] ?? null) === height) return state;
        const others = Object.entries(state.heights).filter(([key]) => key !== track);
        return { heights: Object.fromEntries(height === null ? others : [...others, [track, height]]) };
      }),
  };
}

/** What is remembered may be of another version, or broken: only what can be used of it is. */
function remembered(memory: Memory | null, name: string): TrackStates {
  try {
    const value: unknown = JSON.parse(memory?.getItem(name) ?? "null");
    if (typeof value !== "object" || value === null) return NOTHING;
    const locked: unknown = "locked" in value ? value.locked : [];
    const heights: unknown = "heights" in value ? value.heights : {};
    return {
      locked: new Set(Array.isArray(locked) ? locked.filter((key) => typeof key === "string") : []),
      heights: typeof heights === "object" && heights !== null ? Object.fromEntries(Object.entries(heights).filter(([, height]) => Number.isFinite(height))) : {},
    };
  } catch {
    return NOTHING;
  }
}

const NOTHING: TrackStates = { locked: new Set(), heights: {} };

/** Whether an edit has changed what lies on a locked track, or taken one away. Its name, volume and mute stay free. */
export function changesLocked(locked: ReadonlySet<string>, before: ProjectDocument, after: ProjectDocument): boolean {
  if (locked.size === 0 || before === after) return false;
  const [was, is] = [segmentsByTrack(before), segmentsByTrack(after)];
  return [...locked].some((track) => {
    const segments = was.get(track);
    return segments !== undefined && !sameItems(segments, is.get(track) ?? null);
  });
}

function segmentsByTrack(document: ProjectDocument): ReadonlyMap<string, readonly unknown[]> {
  return new Map<string, readonly unknown[]>([
    ["portrait", document.portraits],
    ["prompt", document.prompts],
    ...document.audioTracks.map(({ id, segments }) => [trackKey({ kind: "audio", trackId: id }), segments] as const),
  ]);
}

const sameItems = (one: readonly unknown[], other: readonly unknown[] | null): boolean => one === other || (one.length === other?.length && one.every((item, index) => item === other[index]));
