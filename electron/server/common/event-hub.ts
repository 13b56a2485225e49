/**
 * Streams for any number of listeners, none of which can make the server's memory grow:
 * a listener that is slow misses values that newer ones have replaced, and nothing else.
 */

/** One value that changes. */
export interface LatestValue<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  /** The value now, then each later one; a slow listener gets the newest. Ends quietly when `signal` aborts or the value is closed. */
  readonly stream: (signal?: AbortSignal) => AsyncGenerator<T, void, undefined>;
  readonly listeners: () => number;
  /** Ends all streams. */
  readonly close: () => void;
}

/** `onListeners` hears the number of listeners when it changes: measure only while somebody looks. */
export function createLatestValue<T>(initial: T, onListeners?: (count: number) => void): LatestValue<T> {
  let value = initial;
  let version = 0;
  const listeners = createListeners(onListeners);

  async function* stream(signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    const listener = listeners.add(signal);
    try {
      let seen = -1;
      while (!listener.ended()) {
        if (version === seen) await listener.woken();
        else {
          seen = version;
          yield value;
        }
      }
    } finally {
      listener.remove();
    }
  }

  return {
    get: () => value,
    set: (next) => {
      value = next;
      version += 1;
      listeners.wakeAll();
    },
    stream,
    listeners: listeners.count,
    close: listeners.close,
  };
}

/** An event with its place in the order. */
export interface NumberedEvent<E> {
  /** Give it back as `lastEventId` to go on after this event. */
  readonly id: string;
  readonly event: E;
}

/** Events of which only the newest per key matters: `keyOf` says which ones replace each other. */
export interface EventHub<E> {
  readonly emit: (event: E) => void;
  /** Forgets the newest event of a key. */
  readonly forget: (key: string) => void;
  /**
   * The newest event of each key that is newer than `lastEventId` (all of them without one, or with one of an earlier run), then what comes.
   * So a listener that was away misses nothing that still matters.
   */
  readonly stream: (options?: { readonly signal?: AbortSignal | undefined; readonly lastEventId?: string | undefined }) => AsyncGenerator<NumberedEvent<E>, void, undefined>;
  readonly listeners: () => number;
  readonly close: () => void;
}

export function createEventHub<E>(keyOf: (event: E) => string, onListeners?: (count: number) => void): EventHub<E> {
  const run = `${String(process.pid)}.${Date.now().toString(36)}`;
  /** In the order of emission: an event is taken out before it is put in anew. */
  const newest = new Map<string, { readonly number: number; readonly event: E }>();
  let last = 0;
  const listeners = createListeners(onListeners);

  async function* stream(options: { readonly signal?: AbortSignal | undefined; readonly lastEventId?: string | undefined } = {}): AsyncGenerator<NumberedEvent<E>, void, undefined> {
    const listener = listeners.add(options.signal);
    try {
      let seen = numberOf(options.lastEventId, run);
      while (!listener.ended()) {
        const next = firstAfter(newest.values(), seen);
        if (next === null) await listener.woken();
        else {
          seen = next.number;
          yield { id: `${run}:${String(next.number)}`, event: next.event };
        }
      }
    } finally {
      listener.remove();
    }
  }

  return {
    emit: (event) => {
      const key = keyOf(event);
      last += 1;
      newest.delete(key);
      newest.set(key, { number: last, event });
      listeners.wakeAll();
    },
    forget: (key) => void newest.delete(key),
    stream,
    listeners: listeners.count,
    close: listeners.close,
  };
}

function firstAfter<T extends { readonly number: number }>(events: Iterable<T>, seen: number): T | null {
  for (const event of events) if (event.number > seen) return event;
  return null;
}

function numberOf(id: string | undefined, run: string): number {
  const prefix = `${run}:`;
  if (id?.startsWith(prefix) !== true) return 0;
  const number = Number(id.slice(prefix.length));
  return Number.isSafeInteger(number) ? number : 0;
}

interface Listener {
  readonly ended: () => boolean;
  /** Resolves at the next wake-up, or at once when one came since the last call. */
  readonly woken: () => Promise<void>;
  readonly remove: () => void;
}

interface Listeners {
  readonly add: (signal: AbortSignal | undefined) => Listener;
  readonly wakeAll: () => void;
  readonly count: () => number;
  readonly close: () => void;
}

function createListeners(onCount?: (count: number) => void): Listeners {
  const wakers = new Set<() => void>();
  let closed = false;

  function add(signal: AbortSignal | undefined): Listener {
    let pending = false;
    let resolve: (() => void) | undefined;
    const wake = (): void => {
      pending = true;
      resolve?.();
    };
    wakers.add(wake);
    signal?.addEventListener("abort", wake, { once: true });
    onCount?.(wakers.size);
    return {
      ended: () => closed || signal?.aborted === true,
      woken: async () => {
        if (!pending) await new Promise<void>((done) => (resolve = done));
        pending = false;
        resolve = undefined;
      },
      remove: () => {
        wakers.delete(wake);
        signal?.removeEventListener("abort", wake);
        onCount?.(wakers.size);
      },
    };
  }

  const wakeAll = (): void => {
    for (const wake of wakers) wake();
  };
  return {
    add,
    wakeAll,
    count: () => wakers.size,
    close: () => {
      closed = true;
      wakeAll();
    },
  };
}
