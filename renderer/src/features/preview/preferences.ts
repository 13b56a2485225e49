import { createStore, type StoreApi } from "zustand/vanilla";

/** How the player plays. For this window only; the volume is remembered by the settings. */
export interface PlayerPreferences {
  readonly loop: boolean;
  /** The portrait stands beside the video. */
  readonly sideBySide: boolean;
  readonly speed: number;
  /** 0 to 1. */
  readonly volume: number;
  readonly muted: boolean;
}

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2] as const;

export const playerPreferences: StoreApi<PlayerPreferences> = createStore(() => ({ loop: false, sideBySide: false, speed: 1, volume: 1, muted: false }));
