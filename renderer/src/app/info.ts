import { createStore } from "zustand/vanilla";
import { useStore } from "zustand";
import { client, connection } from "../rpc/client.ts";

export type StudioInfo = Awaited<ReturnType<typeof client.system.info>>;

const info = createStore<{ readonly value: StudioInfo | null }>(() => ({ value: null }));

/** Facts about the server; null until it has answered. */
export function useInfo(): StudioInfo | null {
  return useStore(info, (state) => state.value);
}

export const currentInfo = (): StudioInfo | null => info.getState().value;

/** Asks on every new connection: the server behind it may be a newer one. Returns how to stop. */
export function followInfo(): () => void {
  const ask = () => {
    if (connection.getState().state.kind !== "open") return;
    client.system.info().then(
      (value) => info.setState({ value }),
      // Without an answer the page goes on with what it knows; the connection bar says the rest.
      () => undefined,
    );
  };
  ask();
  return connection.subscribe(ask);
}
