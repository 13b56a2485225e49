import { createStore, type StoreApi } from "zustand/vanilla";

/** What the player says about itself. `rate` is 1 for normal speed, negative backwards. */
export type TransportState = { readonly kind: "paused" } | { readonly kind: "playing"; readonly rate: number };

/** Playback, implemented by the player, which owns the clock and moves the playhead. */
export interface Transport {
  readonly play: (rate: number) => void;
  readonly pause: () => void;
  /** Moves by whole frames and stays paused. */
  readonly step: (frames: number) => void;
  readonly state: StoreApi<TransportState>;
}

/** Where the player registers. Null means nothing can play: play commands are disabled then. */
export type TransportSlot = StoreApi<{ readonly transport: Transport | null }>;

export const createTransportSlot = (): TransportSlot => createStore(() => ({ transport: null }));

/** Makes `transport` the one that commands reach. Returns how to take it away again. */
export function registerTransport(slot: TransportSlot, transport: Transport): () => void {
  slot.setState({ transport });
  return () => {
    if (slot.getState().transport === transport) slot.setState({ transport: null });
  };
}

/** The next speed of a shuttle key: the first press plays, each further one doubles, up to eight times. */
export function shuttleRate(state: TransportState, direction: 1 | -1): number {
  const same = state.kind === "playing" && Math.sign(state.rate) === direction;
  return same ? direction * Math.min(8, Math.abs(state.rate) * 2) : direction;
}
