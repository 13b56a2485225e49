import type { Marker } from "../../../contract/document/project-document.schema.ts";
import { FRAMES_PER_SECOND } from "../../../contract/time.ts";

/** One caption. Times are whole milliseconds. */
export interface Cue {
  readonly start: number;
  /** Always later than `start`. */
  readonly end: number;
  /** One or more lines, none of them empty. Of markup only `<b>`, `<i>` and `<u>` have a meaning. */
  readonly text: string;
}

const millisecondsOfFrame = (frame: number): number => Math.round((frame * 1000) / FRAMES_PER_SECOND);

/** Each marker's label is shown from its frame to the next marker or the end of the video. A marker without words ends the caption before it. */
export function cuesOfMarkers(markers: readonly Marker[], frames: number): Cue[] {
  const ordered = [...markers].sort((one, other) => one.frame - other.frame);
  return ordered.flatMap((marker, index) => {
    const start = millisecondsOfFrame(marker.frame);
    const end = millisecondsOfFrame(Math.min(frames, ordered[index + 1]?.frame ?? frames));
    const text = withoutEmptyLines(marker.label);
    return text === "" || end <= start ? [] : [{ start, end, text }];
  });
}

/** An empty line would end a caption. */
export function withoutEmptyLines(text: string): string {
  return text.split(/\r\n|[\r\n\u2028\u2029]/).map((line) => line.trim()).filter((line) => line !== "").join("\n");
}

/** The captions of a part of the video, in order, with times that count from its first frame. What reaches over an edge is cut there. */
export function cutCues(cues: readonly Cue[], range: { readonly start: number; readonly end: number }): Cue[] {
  const [first, end] = [millisecondsOfFrame(range.start), millisecondsOfFrame(range.end)];
  return cues
    .map((cue) => ({ start: Math.max(cue.start, first) - first, end: Math.min(cue.end, end) - first, text: cue.text }))
    .filter((cue) => cue.end > cue.start)
    .sort((one, other) => one.start - other.start || one.end - other.end);
}

/**
 * Captions that follow each other: where some are shown together, their lines are put into one. A track of an MP4 shows one at a time, and
 * would end the first when the second begins. `cues` are in order.
 */
export function oneAtATime(cues: readonly Cue[]): Cue[] {
  const edges = [...new Set(cues.flatMap(({ start, end }) => [start, end]))].sort((one, other) => one - other);
  const joined: Cue[] = [];
  let shown: Cue[] = [];
  let next = 0;
  edges.forEach((start, index) => {
    const end = edges[index + 1];
    shown = shown.filter((cue) => cue.end > start);
    for (let cue = cues[next]; cue !== undefined && cue.start <= start; cue = cues[next]) {
      shown.push(cue);
      next += 1;
    }
    if (end === undefined || shown.length === 0) return;
    const text = shown.map((cue) => cue.text).join("\n");
    joined.push({ start, end, text });
  });
  return joined;
}
