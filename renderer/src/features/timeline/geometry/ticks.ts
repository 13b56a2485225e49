import { FRAMES_PER_BLOCK, FRAMES_PER_SECOND } from "../../../../../electron/contract/time.ts";

/** How far apart the ruler's lines stand, in frames. Every `major` is a multiple of `minor`. */
export interface TickSpacing {
  readonly minor: number;
  readonly major: number;
}

/** Steps a reader counts in: frames, then seconds, minutes, hours. */
const STEPS: readonly TickSpacing[] = [
  { minor: 1, major: 5 },
  { minor: 1, major: 25 },
  { minor: 5, major: 25 },
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 36_000, 86_400, 604_800].map((seconds) => ({
    major: seconds * FRAMES_PER_SECOND,
    minor: (seconds * FRAMES_PER_SECOND) / 5,
  })),
];

/** Room a label needs, in pixels. */
const LABEL_PIXELS = 84;
/** Lines closer than this are noise. */
const LEAST_TICK_PIXELS = 5;

const WIDEST: TickSpacing = { minor: 604_800 * FRAMES_PER_SECOND, major: 604_800 * FRAMES_PER_SECOND };

/** The densest spacing whose labels do not touch and whose lines can be told apart. */
export function tickSpacing(pixelsPerFrame: number): TickSpacing {
  return STEPS.find(({ major, minor }) => major * pixelsPerFrame >= LABEL_PIXELS && minor * pixelsPerFrame >= LEAST_TICK_PIXELS) ?? WIDEST;
}

/** Lines shown behind the tracks: where prompts may change (blocks) and where clips begin, as far as they can be told apart. */
export interface GridSpacing {
  readonly block: number | null;
  readonly clip: number | null;
}

export function gridSpacing(pixelsPerFrame: number, inferFrames: number): GridSpacing {
  const far = (frames: number, pixels: number) => (frames * pixelsPerFrame >= pixels ? frames : null);
  return { block: far(FRAMES_PER_BLOCK, 10), clip: far(inferFrames, 12) };
}

/** Multiples of `spacing` from `start` on, up to and with `end`, counted from `origin`. */
export function* multiples(spacing: number, start: number, end: number, origin = 0): Generator<number> {
  for (let frame = origin + Math.ceil((start - origin) / spacing) * spacing; frame <= end; frame += spacing) yield frame;
}
