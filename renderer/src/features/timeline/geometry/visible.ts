import { endOf, indexAfter } from "../../../../../electron/contract/document/timeline.ts";

/** Anything with a place on the timeline; lists of them are sorted and do not overlap. */
export interface Span {
  readonly start: number;
  readonly duration: number;
}

/** Spans that touch `from` to `to`, in order. */
export function* spansWithin<T extends Span>(spans: readonly T[], from: number, to: number): Generator<T> {
  for (let index = Math.max(0, indexAfter(spans, from) - 1); index < spans.length; index += 1) {
    const span = spans[index];
    if (span === undefined || span.start >= to) return;
    if (endOf(span) > from) yield span;
  }
}

/** One rectangle to draw: a single span, or several that are too narrow to be told apart. */
export type Drawable<T> = { readonly kind: "one"; readonly span: T } | { readonly kind: "merged"; readonly start: number; readonly end: number; readonly count: number };

/**
 * Spans between `from` and `to`, with runs of neighbours narrower than `leastFrames` merged, so that an hour of short
 * segments costs as much to draw as a minute of them.
 */
export function* drawables<T extends Span>(spans: readonly T[], from: number, to: number, leastFrames: number): Generator<Drawable<T>> {
  let run: { start: number; end: number; count: number; only: T } | null = null;
  for (const span of spansWithin(spans, from, to)) {
    const end = endOf(span);
    const narrow = span.duration < leastFrames;
    if (narrow && run !== null && span.start - run.end < leastFrames) {
      run = { start: run.start, end, count: run.count + 1, only: run.only };
      continue;
    }
    if (run !== null) yield closed(run);
    run = narrow ? { start: span.start, end, count: 1, only: span } : null;
    if (!narrow) yield { kind: "one", span };
  }
  if (run !== null) yield closed(run);
}

function closed<T extends Span>(run: { start: number; end: number; count: number; only: T }): Drawable<T> {
  return run.count === 1 ? { kind: "one", span: run.only } : { kind: "merged", start: run.start, end: run.end, count: run.count };
}
