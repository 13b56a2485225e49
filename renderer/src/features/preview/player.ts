import { createStore, type StoreApi } from "zustand/vanilla";
import { assertNever } from "../../../../electron/contract/assert-never.ts";
import { FRAMES_PER_SECOND } from "../../../../electron/contract/time.ts";
import type { Playhead } from "../../editor/playhead.ts";
import type { Transport, TransportState } from "../../editor/transport.ts";
import type { ClipAddresses, ClipBuffer } from "./clip-buffer.ts";
import type { PlayerPreferences } from "./preferences.ts";
import type { Programme, Shown } from "./programme.ts";

/** What is on the stage. */
export interface Stage {
  readonly shown: Shown;
  /** The picture of a clip is there; until then the portrait stands in. */
  readonly picture: "video" | "still";
  /** It plays, and waits for a clip to be loaded or rendered. */
  readonly waiting: "loading" | "rendering" | null;
}

export interface PlayerParts {
  readonly video: HTMLVideoElement;
  /** The mixed sound, for where no clip is. */
  readonly sound: HTMLAudioElement;
  readonly buffer: ClipBuffer;
  readonly playhead: Playhead;
  readonly preferences: StoreApi<PlayerPreferences>;
  /** In and out points, as the loop uses them. */
  readonly range: () => { readonly start: number; readonly end: number } | null;
  /** Makes the mix of the document as it is ready to be played. */
  readonly prepareSound: () => Promise<void>;
}

export interface Player {
  readonly transport: Transport;
  readonly stage: StoreApi<Stage>;
  readonly setProgramme: (programme: Programme, addresses: ClipAddresses) => void;
  /** To be called when the buffer has changed. */
  readonly bufferChanged: () => void;
  readonly dispose: () => void;
}

/** Faster than this, and backwards, pictures are looked up one by one, silently. */
const FASTEST_WITH_SOUND = 4;

/** What keeps the time while it plays. */
type Clock =
  | { readonly kind: "none" }
  /** Inside of a clip: its own picture and sound, in step by construction. */
  | { readonly kind: "video" }
  /** Where no clip is: the mix, below the portrait. */
  | { readonly kind: "sound" }
  /** The computer's clock: shuttling, or no sound to be had. `position` counts frames at time `at` (milliseconds). */
  | { readonly kind: "steps"; readonly position: number; readonly at: number };

const EMPTY: Shown = { kind: "still", portraitMediaId: null, cell: null };
const secondsOf = (frame: number): number => frame / FRAMES_PER_SECOND;
/** The middle of the frame: what is exactly on an edge may be rounded to the picture before. */
const middleOf = (frame: number): number => (frame + 0.5) / FRAMES_PER_SECOND;
const frameOf = (seconds: number): number => Math.floor(seconds * FRAMES_PER_SECOND + 0.01);

/** Plays finished clips with their own sound, and the mix below the portrait where there is none yet; the playhead follows. */
export function createPlayer(parts: PlayerParts): Player {
  const { video, sound, buffer, playhead, preferences } = parts;
  const state: StoreApi<TransportState> = createStore<TransportState>(() => ({ kind: "paused" }));
  const stage = createStore<Stage>(() => ({ shown: EMPTY, picture: "still", waiting: null }));
  let programme: Programme | null = null;
  let clock: Clock = { kind: "none" };
  let request = 0;
  /** The playhead moves because of the player, not because of the user. */
  let moving = false;

  const shownAt = (frame: number): Shown => programme?.at(frame) ?? EMPTY;
  const moveTo = (frame: number) => {
    moving = true;
    playhead.set(frame);
    moving = false;
  };

  const present = (frame: number, waiting: Stage["waiting"] = null) => {
    const shown = shownAt(frame);
    // The last picture of a clip stays while the next one is awaited.
    const picture = buffer.has(frame) || (waiting !== null && stage.getState().picture === "video") ? "video" : "still";
    const before = stage.getState();
    if (before.picture !== picture || before.waiting !== waiting || !looksTheSame(before.shown, shown)) stage.setState({ shown, picture, waiting });
  };

  /** Shows one picture, paused. */
  const showStill = (frame: number) => {
    buffer.want(frame);
    present(frame);
    if (buffer.has(frame) && !video.seeking && Math.abs(video.currentTime - middleOf(frame)) > 0.001) video.currentTime = middleOf(frame);
  };

  const stopClock = () => {
    cancelAnimationFrame(request);
    video.pause();
    sound.pause();
    clock = { kind: "none" };
  };

  const pause = () => {
    stopClock();
    if (state.getState().kind === "playing") state.setState({ kind: "paused" }, true);
    showStill(playhead.get());
  };

  /** Goes on from a frame with the clock that fits what is there. */
  const startAt = (frame: number, rate: number) => {
    video.pause();
    sound.pause();
    buffer.want(frame);
    const silent = rate < 0 || rate > FASTEST_WITH_SOUND || playhead.isScrubbing();
    if (silent) {
      clock = { kind: "steps", position: frame, at: performance.now() };
    } else if (buffer.has(frame)) {
      clock = { kind: "video" };
      if (Math.abs(video.currentTime - secondsOf(frame)) > 0.5 / FRAMES_PER_SECOND) video.currentTime = middleOf(frame);
      video.playbackRate = rate;
      // Refused only when it was paused at once again.
      video.play().catch(() => undefined);
    } else if (shownAt(frame).kind === "clip") {
      clock = { kind: "none" };
      present(frame, "loading");
    } else {
      clock = { kind: "sound" };
      void playSound(frame, rate);
    }
  };

  const playSound = async (frame: number, rate: number) => {
    try {
      await parts.prepareSound();
      if (clock.kind !== "sound") return;
      sound.playbackRate = rate;
      sound.currentTime = secondsOf(frame);
      await sound.play();
    } catch {
      // Without its sound the timeline still plays.
      if (clock.kind === "sound") clock = { kind: "steps", position: frame, at: performance.now() };
    }
  };

  const positionNow = (rate: number): number => {
    switch (clock.kind) {
      case "none":
        return playhead.get();
      case "video":
        return video.seeking ? playhead.get() : frameOf(video.currentTime);
      case "sound":
        return sound.paused || sound.seeking ? playhead.get() : frameOf(sound.currentTime);
      case "steps": {
        const now = performance.now();
        const position = clock.position + ((now - clock.at) / 1000) * FRAMES_PER_SECOND * rate;
        clock = { kind: "steps", position, at: now };
        return Math.floor(position);
      }
      default:
        return assertNever(clock);
    }
  };

  /** Where playing ends or turns back to: the loop's span, or the whole video. */
  const bounds = (): { readonly start: number; readonly end: number } => {
    const whole = { start: 0, end: programme?.frames ?? 0 };
    const range = preferences.getState().loop ? parts.range() : null;
    return range === null ? whole : { start: Math.min(range.start, whole.end), end: Math.min(range.end, whole.end) };
  };

  const tick = () => {
    const playing = state.getState();
    if (playing.kind !== "playing") return;
    request = requestAnimationFrame(tick);
    const { start, end } = bounds();
    let frame = positionNow(playing.rate);
    if (frame >= end || frame < 0) {
      if (!preferences.getState().loop || end <= start) {
        moveTo(Math.max(0, Math.min(frame, end - 1)));
        pause();
        return;
      }
      frame = playing.rate > 0 ? start : end - 1;
      moveTo(frame);
      startAt(frame, playing.rate);
      return;
    }
    advance(frame, playing.rate);
  };

  /** The playhead has come to `frame`: changes the clock where clips begin or end. */
  const advance = (frame: number, rate: number) => {
    const shown = shownAt(frame);
    const ready = buffer.has(frame);
    switch (clock.kind) {
      case "video":
        if (!ready) {
          const rendering = shown.cell?.state.kind === "rendering" || shown.cell?.state.kind === "queued";
          moveTo(frame);
          if (shown.kind === "clip" || rendering) {
            video.pause();
            clock = { kind: "none" };
            present(frame, shown.kind === "clip" ? "loading" : "rendering");
            buffer.want(frame);
          } else {
            startAt(frame, rate);
            present(frame);
          }
          return;
        }
        break;
      case "none":
        if (ready) startAt(frame, rate);
        // A render that was being waited for has ended without this clip.
        else if (shown.kind === "still" && shown.cell?.state.kind !== "rendering" && shown.cell?.state.kind !== "queued") startAt(frame, rate);
        else return;
        break;
      case "sound":
        if (ready) startAt(frame, rate);
        break;
      case "steps":
        if (ready && rate > 0 && rate <= FASTEST_WITH_SOUND && !playhead.isScrubbing()) startAt(frame, rate);
        else if (ready && !video.seeking) video.currentTime = middleOf(frame);
        break;
      default:
        assertNever(clock);
    }
    if (frame !== playhead.get()) {
      moveTo(frame);
      buffer.want(frame);
    }
    present(frame);
  };

  const play = (rate: number) => {
    const { start, end } = bounds();
    if (end <= start) return;
    const actual = Math.abs(rate) === 1 ? rate * preferences.getState().speed : rate;
    stopClock();
    // At the end, play begins anew.
    let frame = playhead.get();
    if (rate > 0 && (frame >= end - 1 || (frame < start && preferences.getState().loop))) frame = start;
    if (rate < 0 && frame <= start) frame = end - 1;
    moveTo(frame);
    state.setState({ kind: "playing", rate: actual }, true);
    startAt(frame, actual);
    request = requestAnimationFrame(tick);
  };

  const unsubscribe = [
    playhead.subscribe(() => {
      if (moving) return;
      const playing = state.getState();
      if (playing.kind === "playing") startAt(playhead.get(), playing.rate);
      else showStill(playhead.get());
    }),
    preferences.subscribe((now, before) => {
      applyVolume();
      const playing = state.getState();
      if (now.speed !== before.speed && playing.kind === "playing") play(Math.sign(playing.rate));
    }),
  ];
  const applyVolume = () => {
    const { volume, muted } = preferences.getState();
    for (const element of [video, sound]) {
      element.volume = volume;
      element.muted = muted;
    }
  };
  applyVolume();
  // A seek asked for while another was under way is done afterwards.
  const onSeeked = () => {
    if (state.getState().kind === "paused") showStill(playhead.get());
  };
  video.addEventListener("seeked", onSeeked);

  return {
    transport: {
      play,
      pause,
      step: (frames) => {
        pause();
        playhead.set(Math.max(0, playhead.get() + frames));
      },
      state,
    },
    stage,
    setProgramme: (next, addresses) => {
      programme = next;
      buffer.setProgramme(next, addresses);
      buffer.want(playhead.get());
      if (state.getState().kind === "paused") showStill(playhead.get());
    },
    bufferChanged: () => {
      if (state.getState().kind === "paused") showStill(playhead.get());
    },
    dispose: () => {
      stopClock();
      for (const stop of unsubscribe) stop();
      video.removeEventListener("seeked", onSeeked);
      buffer.dispose();
      sound.removeAttribute("src");
    },
  };
}

/** Whether a stage says the same about both: most neighbouring clips differ in nothing that is told. */
function looksTheSame(one: Shown, other: Shown): boolean {
  return one.cell === other.cell ? one.kind === other.kind && portraitOf(one) === portraitOf(other) : lookOf(one) === lookOf(other);
}

function lookOf(shown: Shown): string {
  const { cell } = shown;
  return JSON.stringify([shown.kind, portraitOf(shown), cell?.takeId, cell?.state.kind, cell?.state.kind === "rendering" && cell.state.share]);
}

const portraitOf = (shown: Shown): string | null => (shown.kind === "still" ? shown.portraitMediaId : null);
