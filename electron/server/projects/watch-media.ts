const LOOK_MILLISECONDS = 3_000;

/** Looks whether media files came or went, but only while a window shows the project. */
export function watchMissingMedia(dependencies: { readonly find: () => Promise<readonly string[]>; readonly publish: (mediaIds: readonly string[]) => void }): { readonly setListeners: (count: number) => void } {
  let timer: NodeJS.Timeout | null = null;
  let last: string | null = null;

  const look = async (): Promise<void> => {
    const found = await dependencies.find().catch(() => null);
    if (found === null) return;
    const now = found.join(" ");
    if (last !== null && now !== last) dependencies.publish(found);
    last = now;
  };

  return {
    setListeners: (count) => {
      if (count > 0 && timer === null) {
        void look();
        timer = setInterval(() => void look(), LOOK_MILLISECONDS).unref();
      } else if (count === 0 && timer !== null) {
        clearInterval(timer);
        timer = null;
      }
    },
  };
}
