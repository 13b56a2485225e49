import type { AudioSegment, PortraitSegment, ProjectDocument, PromptSegment } from "../project-document.schema.ts";
import type { RefusalReason } from "./commands.ts";
import { type Segment, type Span, spanOf } from "./lanes.ts";

/** The chosen segments of each track, in the order of their starts; `audio` has an entry for each audio track. */
export type Selection = {
  readonly ids: ReadonlySet<string>;
  readonly portraits: readonly PortraitSegment[];
  readonly prompts: readonly PromptSegment[];
  readonly audio: readonly (readonly AudioSegment[])[];
  /** Of all chosen segments, in no order. */
  readonly spans: readonly Span[];
};

export function select(document: ProjectDocument, ids: readonly string[]): Selection | RefusalReason {
  if (ids.length === 0) return "nothingSelected";
  const wanted = new Set(ids);
  const chosen = <S extends Segment>(segments: readonly S[]): S[] => segments.filter((segment) => wanted.has(segment.id));
  const portraits = chosen(document.portraits);
  const prompts = chosen(document.prompts);
  const audio = document.audioTracks.map((track) => chosen(track.segments));
  const spans = [...portraits, ...prompts, ...audio.flat()].map(spanOf);
  if (spans.length < wanted.size) return "segmentMissing";
  return { ids: wanted, portraits, prompts, audio, spans };
}

/** First and last frame of the selection, as a span. */
export function extentOf(selection: Selection): Span {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const span of selection.spans) {
    start = Math.min(start, span.start);
    end = Math.max(end, span.end);
  }
  return { start, end };
}
