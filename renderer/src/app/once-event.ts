/** Resolves at the next event of this name, rejects at the next `error`. */
export function once(target: EventTarget, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settled = new AbortController();
    const on = (event: string, then: () => void) =>
      target.addEventListener(
        event,
        () => {
          settled.abort();
          then();
        },
        { signal: settled.signal },
      );
    on(name, resolve);
    on("error", () => reject(new Error(`Failed while waiting for ${name}`)));
  });
}
