import type { EditLabel } from "./edit/commands.ts";
import type { ProjectDocument } from "./project-document.schema.ts";

/** One step that can be taken back or done again. */
export type HistoryStep = {
  readonly label: EditLabel;
  /** The document before the step (in `past`) or after it (in `future`). */
  readonly document: ProjectDocument;
  /** Steps of one gesture, such as a drag, are one step; null joins nothing. */
  readonly gesture: string | null;
  /** The next older step of `past`, or the next newer one of `future`. */
  readonly next: HistoryStep | null;
  /** Steps from here to the end of the list. */
  readonly count: number;
};

/**
 * The document now and the way to it. Documents share all that an edit did not touch, so a step costs about one pointer for each segment of the
 * changed track: 16 kB at 2,000 segments. There is no limit of steps.
 *
 * What is looked at (selection, zoom, playhead) is not part of it.
 */
export type History = {
  readonly present: ProjectDocument;
  readonly past: HistoryStep | null;
  readonly future: HistoryStep | null;
};

export function newHistory(document: ProjectDocument): History {
  return { present: document, past: null, future: null };
}

/**
 * Makes `document` the present one. A document that is the present one changes nothing. Joins the newest step when both have the same gesture; a
 * gesture that ends where it began leaves no step.
 */
export function record(history: History, document: ProjectDocument, label: EditLabel, gesture: string | null = null): History {
  if (document === history.present) return history;
  const newest = history.past;
  if (gesture !== null && newest?.gesture === gesture && history.future === null) {
    if (document === newest.document) return { present: document, past: newest.next, future: null };
    return { present: document, past: { ...newest, label }, future: null };
  }
  return { present: document, past: step(label, history.present, gesture, newest), future: null };
}

/** Later edits of the same gesture begin a step of their own: after leaving a text field, or a pause in typing. */
export function endGesture(history: History): History {
  const { past } = history;
  return past?.gesture === undefined || past.gesture === null ? history : { ...history, past: { ...past, gesture: null } };
}

/** The same history when there is nothing to take back. */
export function undo(history: History): History {
  const { present, past, future } = history;
  if (past === null) return history;
  return { present: past.document, past: past.next, future: step(past.label, present, null, future) };
}

/** The same history when there is nothing to do again. */
export function redo(history: History): History {
  const { present, past, future } = history;
  if (future === null) return history;
  return { present: future.document, past: step(future.label, present, null, past), future: future.next };
}

/** Names of the newest steps first; `steps` is `history.past` or `history.future`. */
export function labelsOf(steps: HistoryStep | null, limit = Number.POSITIVE_INFINITY): EditLabel[] {
  const labels: EditLabel[] = [];
  for (let at = steps; at !== null && labels.length < limit; at = at.next) labels.push(at.label);
  return labels;
}

function step(label: EditLabel, document: ProjectDocument, gesture: string | null, next: HistoryStep | null): HistoryStep {
  return { label, document, gesture, next, count: (next?.count ?? 0) + 1 };
}
