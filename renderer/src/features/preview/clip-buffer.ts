import { FRAMES_PER_SECOND } from "../../../../electron/contract/time.ts";
import { once } from "../../app/once-event.ts";
import { clipsAround, runAt, type PlayableClip, type Programme } from "./programme.ts";

/** What every clip is: the profile in it does not matter to the decoder's choice. */
export const CLIP_TYPE = 'video/mp4; codecs="avc1.640028, mp4a.40.2"';

/** Frames kept ready ahead of and behind the playhead, and how far away they are dropped. */
const AHEAD = 20 * FRAMES_PER_SECOND;
const BEHIND = 6 * FRAMES_PER_SECOND;
const KEEP = 60 * FRAMES_PER_SECOND;

export interface ClipAddresses {
  readonly init: (clip: PlayableClip) => string;
  readonly clip: (clip: PlayableClip) => string;
}

export interface ClipBuffer {
  /** New clips on disk, or another timeline. What changed is loaded anew. */
  readonly setProgramme: (programme: Programme, addresses: ClipAddresses) => void;
  /** Loads what is needed around a frame. */
  readonly want: (frame: number) => void;
  /** Whether the picture of a frame is there. */
  readonly has: (frame: number) => boolean;
  readonly dispose: () => void;
}

type Loaded = { readonly clip: PlayableClip };
const sameClip = (a: PlayableClip, b: PlayableClip): boolean => a.contentHash === b.contentHash && a.start === b.start && a.takeStart === b.takeStart && a.takeId === b.takeId;
const keyOf = (clip: PlayableClip): string => `${clip.takeId} ${String(clip.clip)}`;
const isPartOf = (clip: PlayableClip, run: readonly PlayableClip[]): boolean => clip.start >= (run[0]?.start ?? 0) && clip.start <= (run.at(-1)?.start ?? -1);

/**
 * Keeps the finished clips around the playhead in the video element's buffer, each at its place on the timeline. Clips are whole
 * fragments with a keyframe at the start, so any of them can be put in, replaced or dropped by itself.
 * @param onChange something was loaded or dropped
 * @param onFault a clip could not be loaded; it is tried again when it is wanted again
 */
export function createClipBuffer(video: HTMLVideoElement, onChange: () => void, onFault: (error: unknown) => void): ClipBuffer {
  const source = new MediaSource();
  const url = URL.createObjectURL(source);
  video.src = url;
  const opened = once(source, "sourceopen").then(() => {
    URL.revokeObjectURL(url);
    // Longer than any timeline: a change of duration would end what plays.
    source.duration = 1e6;
    return source.addSourceBuffer(CLIP_TYPE);
  });
  const abort = new AbortController();
  const loaded = new Map<string, Loaded>();
  const failed = new Set<string>();
  let programme: Programme | null = null;
  let addresses: ClipAddresses | null = null;
  let wanted = 0;
  let working = false;
  /** Content whose parameters the decoder has now. */
  let initialised = "";

  const seconds = (frame: number): number => frame / FRAMES_PER_SECOND;
  const isCurrent = ({ clip }: Loaded): boolean => {
    const shown = programme?.at(clip.start);
    return shown?.kind === "clip" && sameClip(shown.clip, clip);
  };

  const drop = async (buffer: SourceBuffer, one: Loaded) => {
    loaded.delete(keyOf(one.clip));
    buffer.remove(seconds(one.clip.start), seconds(one.clip.start + one.clip.frames));
    await once(buffer, "updateend");
  };

  const load = async (buffer: SourceBuffer, clip: PlayableClip, from: ClipAddresses) => {
    const init = from.init(clip);
    const parts = await Promise.all([...(init === initialised ? [] : [bytesOf(init, abort.signal)]), bytesOf(from.clip(clip), abort.signal)]);
    // Another timeline may have come while the bytes were under way.
    if (programme === null || !isCurrent({ clip })) return;
    buffer.timestampOffset = seconds(clip.takeStart);
    buffer.appendBuffer(await new Blob(parts).arrayBuffer());
    await once(buffer, "updateend");
    initialised = init;
    loaded.set(keyOf(clip), { clip });
  };

  /** One step towards what is wanted; false when there is nothing left to do. */
  const step = async (buffer: SourceBuffer): Promise<boolean> => {
    if (programme === null || addresses === null) return false;
    const run = runAt(programme, wanted);
    const outdated = [...loaded.values()].find((one) => !isCurrent(one) || Math.abs(one.clip.start - wanted) > KEEP || !isPartOf(one.clip, run));
    if (outdated !== undefined) {
      await drop(buffer, outdated);
      return true;
    }
    const next = clipsAround(programme, wanted, AHEAD, BEHIND).find((clip) => !loaded.has(keyOf(clip)) && !failed.has(clip.contentHash));
    if (next === undefined) {
      closeAfter(run.at(-1));
      return false;
    }
    try {
      await load(buffer, next, addresses);
    } catch (error) {
      failed.add(next.contentHash);
      throw error;
    }
    return true;
  };

  /**
   * A decoder holds the last pictures back until more comes or it is told that nothing will. Only what ends the buffer can be
   * told so: that is why clips behind a gap are not kept. More bytes open it again.
   */
  const closeAfter = (last: PlayableClip | undefined) => {
    if (last !== undefined && loaded.has(keyOf(last)) && source.readyState === "open") source.endOfStream();
  };

  const work = async () => {
    if (working || abort.signal.aborted) return;
    working = true;
    try {
      const buffer = await opened;
      while (!isDisposed() && (await step(buffer))) onChange();
    } catch (error) {
      if (!isDisposed()) onFault(error);
    } finally {
      working = false;
    }
  };
  const isDisposed = (): boolean => abort.signal.aborted;

  return {
    setProgramme: (next, from) => {
      programme = next;
      addresses = from;
      failed.clear();
      void work();
    },
    want: (frame) => {
      wanted = frame;
      void work();
    },
    has: (frame) => {
      const shown = programme?.at(frame);
      if (shown?.kind !== "clip") return false;
      const one = loaded.get(keyOf(shown.clip));
      return one !== undefined && sameClip(one.clip, shown.clip);
    },
    dispose: () => {
      abort.abort();
      video.removeAttribute("src");
      video.load();
    },
  };
}

async function bytesOf(address: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`${address}: ${String(response.status)}`);
  return response.arrayBuffer();
}
