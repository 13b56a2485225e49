/** Work that several may ask for at once: done once, a few at a time, given up when nobody waits any more. */
export interface SharedWork {
  /**
   * The result of `work`, which all that ask with the same `key` at the same time share. `work` gets a signal that aborts when the last
   * of them has gone. Rejects with the reason of `signal` at once when it aborts.
   */
  readonly share: <T>(key: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Gives everything up; resolves when all work has ended. */
  readonly close: () => Promise<void>;
}

interface Task {
  readonly result: Promise<unknown>;
  readonly controller: AbortController;
  waiting: number;
}

export function createSharedWork(concurrency: number): SharedWork {
  const tasks = new Map<string, Task>();
  const queue: (() => void)[] = [];
  let running = 0;

  const turn = async (): Promise<void> => {
    if (running >= concurrency) await new Promise<void>((resolve) => queue.push(resolve));
    else running += 1;
  };
  const pass = (): void => {
    const next = queue.shift();
    if (next === undefined) running -= 1;
    else next();
  };

  const start = (key: string, work: (signal: AbortSignal) => Promise<unknown>): Task => {
    const controller = new AbortController();
    const run = async (): Promise<unknown> => {
      await turn();
      try {
        controller.signal.throwIfAborted();
        return await work(controller.signal);
      } finally {
        pass();
      }
    };
    const result = run().finally(() => {
      if (tasks.get(key) === task) tasks.delete(key);
    });
    // Those that wait see the error; when nobody does, nobody misses it.
    result.catch(() => undefined);
    const task: Task = { result, controller, waiting: 0 };
    tasks.set(key, task);
    return task;
  };

  return {
    share: async <T>(key: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      signal?.throwIfAborted();
      const known = tasks.get(key);
      const task = known === undefined || known.controller.signal.aborted ? start(key, work) : known;
      task.waiting += 1;
      try {
        return (await Promise.race([task.result, aborted(signal)])) as T;
      } finally {
        task.waiting -= 1;
        if (task.waiting === 0) task.controller.abort(new DOMException("Nobody waits for it any more", "AbortError"));
      }
    },
    close: async () => {
      const all = [...tasks.values()];
      for (const task of all) task.controller.abort(new DOMException("The program ends", "AbortError"));
      await Promise.allSettled(all.map((task) => task.result));
    },
  };
}

/** Rejects when the signal aborts; never resolves. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise<never>((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason instanceof Error ? signal.reason : new DOMException("Aborted", "AbortError")), { once: true });
  });
}
