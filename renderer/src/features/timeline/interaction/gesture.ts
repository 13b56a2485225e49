import type { EditCommand } from "../../../../../electron/contract/document/edit/commands.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { EditOptions } from "../../../editor/editor-store.ts";
import type { Row } from "../geometry/rows.ts";
import type { Feedback, Overlay } from "../stage/overlay.ts";

/** Where the pointer is on the tracks. */
export interface PointerPlace {
  /** Pixels from the left edge of the tracks. */
  readonly x: number;
  /** Pixels from the top of the first row; negative in the ruler. */
  readonly y: number;
  /** Frame under the pointer, fractional, at least 0. */
  readonly frame: number;
  /** The nearest row. */
  readonly row: Row | null;
  /** Alt: no snapping; from the beginning of a drag, a copy. */
  readonly alt: boolean;
  readonly shift: boolean;
  /** Ctrl, or Cmd on a Mac. */
  readonly mod: boolean;
}

export type Scrolls = "none" | "time" | "both";

/** One drag, from pointer down to pointer up or Esc. It changes the document once, when it finishes. */
export interface Gesture {
  /** CSS cursor while it lasts. */
  readonly cursor: string;
  /** What scrolls when the pointer is at an edge: time, or time and the rows. */
  readonly scrolls: Scrolls;
  readonly move: (place: PointerPlace) => void;
  readonly finish: () => void;
  readonly cancel: () => void;
}

/** A press that can only become a click. */
export const NO_GESTURE: Gesture = { cursor: "pointer", scrolls: "none", move: () => undefined, finish: () => undefined, cancel: () => undefined };

/** What gestures work with. */
export interface GestureTools {
  readonly session: EditorSession;
  readonly overlay: Overlay;
  readonly rows: () => readonly Row[];
  /** Draws these segments as selected while a gesture lasts; null draws what is selected. */
  readonly highlight: (ids: ReadonlySet<string> | null) => void;
}

/** The edit that a place of the pointer means; null when it would change nothing. */
export interface Intent {
  readonly command: EditCommand | null;
  /** What to show beside the pointer, asked for once the edit is on screen: it may have stopped before the pointer did. */
  readonly feedback: () => Partial<Feedback>;
}

/**
 * A drag that edits: the edit is shown while dragging and done once, as one step, at the end.
 * @param options of that step
 */
export function editGesture({ session, overlay }: GestureTools, cursor: string, scrolls: Scrolls, intentAt: (place: PointerPlace) => Intent, options?: EditOptions): Gesture {
  const { editor } = session;
  return {
    cursor,
    scrolls,
    move: (place) => {
      const { command, feedback } = intentAt(place);
      editor.preview(command, "timeline");
      overlay.show(feedback());
    },
    finish: () => {
      overlay.clear();
      editor.commitPreview(options);
    },
    cancel: () => {
      overlay.clear();
      editor.preview(null, "timeline");
    },
  };
}

const THRESHOLD_PIXELS = 3;

/** Waits until the pointer has really moved; without it, the press was a click. */
export function afterThreshold(start: PointerPlace, gesture: Gesture, onClick: () => void): Gesture {
  let begun = false;
  return {
    ...gesture,
    move: (place) => {
      begun ||= Math.hypot(place.x - start.x, place.y - start.y) >= THRESHOLD_PIXELS;
      if (begun) gesture.move(place);
    },
    finish: () => {
      if (begun) gesture.finish();
      else {
        gesture.cancel();
        onClick();
      }
    },
  };
}
