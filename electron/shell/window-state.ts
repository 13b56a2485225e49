import { z } from "zod";

/** Where the window was, in screen coordinates, when it was neither maximised nor full screen. */
export const windowStateSchema = z.object({
  bounds: z.object({ x: z.int(), y: z.int(), width: z.int().min(1), height: z.int().min(1) }).nullable(),
  maximised: z.boolean(),
});
export type WindowState = z.infer<typeof windowStateSchema>;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const FIRST_WINDOW: WindowState = { bounds: null, maximised: false };
export const SMALLEST_WINDOW = { width: 960, height: 600 } as const;
const USUAL_WINDOW = { width: 1440, height: 900 } as const;
/** So much of the title bar must be on a screen for the window to be within reach of the mouse. */
const REACHABLE_PIXELS = 80;

/**
 * Bounds for a new window: where it was, if that is still within reach on some screen (they may have been unplugged);
 * otherwise the usual size, in the middle (no x and y).
 */
export function placeWindow(state: WindowState, workAreas: readonly Rectangle[]): { readonly x?: number; readonly y?: number; readonly width: number; readonly height: number } {
  const { bounds } = state;
  if (bounds !== null) {
    const area = workAreas.find((one) => isReachable(bounds, one));
    if (area !== undefined) return { x: bounds.x, y: bounds.y, ...sizeWithin(bounds, area) };
  }
  const first = workAreas[0];
  return first === undefined ? USUAL_WINDOW : sizeWithin(bounds ?? USUAL_WINDOW, first);
}

function isReachable(window: Rectangle, area: Rectangle): boolean {
  const shownWidth = Math.min(window.x + window.width, area.x + area.width) - Math.max(window.x, area.x);
  return shownWidth >= REACHABLE_PIXELS && window.y >= area.y && window.y <= area.y + area.height - REACHABLE_PIXELS;
}

function sizeWithin(wanted: { readonly width: number; readonly height: number }, area: Rectangle): { width: number; height: number } {
  return {
    width: Math.min(Math.max(wanted.width, SMALLEST_WINDOW.width), area.width),
    height: Math.min(Math.max(wanted.height, SMALLEST_WINDOW.height), area.height),
  };
}
