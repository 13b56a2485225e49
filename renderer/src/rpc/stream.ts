import { useSyncExternalStore } from "react";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { faultOf } from "./client.ts";

export type StreamState<T> = { readonly kind: "waiting" } | { readonly kind: "live"; readonly value: T } | { readonly kind: "failed"; readonly fault: Fault; readonly last: T | null };

/** Options that a stream call takes so that it survives a lost connection. */
export interface StreamOptions {
  readonly signal: AbortSignal;
  readonly context: { readonly retry: number };
}

/** One event stream shared by all who look at it: open while anybody does. */
export interface SharedStream<T> {
  readonly get: () => StreamState<T>;
  readonly subscribe: (listener: () => void) => () => void;
  /** Starts anew after a failure. */
  readonly restart: () => void;
}

/**
 * Keeps the latest value of an event stream. With `keep`, values are joined: a later one gets the earlier state.
 * @param open a call of the client, such as `(options) => client.jobs.watch(undefined, options)`
 */
export function sharedStream<Event, T = Event>(open: (options: StreamOptions) => Promise<AsyncIterable<Event>>, join: (earlier: T | null, event: Event) => T): SharedStream<T> {
  const listeners = new Set<() => void>();
  let state: StreamState<T> = { kind: "waiting" };
  let running: AbortController | null = null;
  const lastValue = (): T | null => (state.kind === "live" ? state.value : state.kind === "failed" ? state.last : null);
  const become = (next: StreamState<T>) => {
    state = next;
    for (const listener of [...listeners]) listener();
  };

  const run = async (abort: AbortController) => {
    try {
      for await (const event of await open({ signal: abort.signal, context: { retry: Number.POSITIVE_INFINITY } })) {
        if (abort.signal.aborted) return;
        become({ kind: "live", value: join(lastValue(), event) });
      }
      // The server ended the stream, for instance because it restarts: ask again once it is there.
      if (!abort.signal.aborted) become({ kind: "failed", fault: faultOf(new Error("The stream ended")), last: lastValue() });
    } catch (error) {
      if (!abort.signal.aborted) become({ kind: "failed", fault: faultOf(error), last: lastValue() });
    }
  };
  const start = () => {
    running = new AbortController();
    void run(running);
  };
  const stop = () => {
    running?.abort();
    running = null;
  };

  return {
    get: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      if (running === null) start();
      return () => {
        listeners.delete(listener);
        // A page that is left and entered at once, as React does when it mounts twice, keeps its stream.
        queueMicrotask(() => {
          if (listeners.size === 0) stop();
        });
      };
    },
    restart: () => {
      stop();
      if (listeners.size > 0) start();
    },
  };
}

/** The latest state of a shared stream, as long as the component is on the page. */
export function useStream<T>(stream: SharedStream<T>): StreamState<T> {
  return useSyncExternalStore(stream.subscribe, stream.get);
}

/** The latest value, also an old one after a failure; null before the first. */
export function useLatest<T>(stream: SharedStream<T>): T | null {
  const state = useStream(stream);
  return state.kind === "live" ? state.value : state.kind === "failed" ? state.last : null;
}
