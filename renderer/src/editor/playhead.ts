/**
 * The playhead's position in frames, outside of React: it moves with every picture of the video.
 * Drawing code subscribes and writes a transform; components that only need "where is it now" call {@link Playhead.get}.
 */
export interface Playhead {
  readonly get: () => number;
  /** Moves to a whole frame, at least 0. */
  readonly set: (frame: number) => void;
  /** True while somebody drags: the player then shows still pictures and stays silent. */
  readonly isScrubbing: () => boolean;
  readonly setScrubbing: (scrubbing: boolean) => void;
  /** Called after every change of position or of the scrubbing flag. Returns how to stop. */
  readonly subscribe: (listener: () => void) => () => void;
}

export function createPlayhead(): Playhead {
  let frame = 0;
  let scrubbing = false;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  return {
    get: () => frame,
    set: (next) => {
      const whole = Number.isFinite(next) ? Math.max(0, Math.round(next)) : 0;
      if (whole === frame) return;
      frame = whole;
      tell();
    },
    isScrubbing: () => scrubbing,
    setScrubbing: (next) => {
      if (next === scrubbing) return;
      scrubbing = next;
      tell();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Calls `write` with every change of the playhead; while somebody drags it, once per screen refresh, so that what is written does
 * not make the browser lay out the page between two events. Returns how to stop.
 */
export function followPlayhead(playhead: Playhead, write: () => void): () => void {
  let request = 0;
  const stop = playhead.subscribe(() => {
    if (playhead.isScrubbing()) {
      request ||= requestAnimationFrame(() => {
        request = 0;
        write();
      });
      return;
    }
    cancelAnimationFrame(request);
    request = 0;
    write();
  });
  write();
  return () => {
    cancelAnimationFrame(request);
    stop();
  };
}
