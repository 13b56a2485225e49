import { lastEnd } from "../../../electron/contract/document/timeline.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";

/** First frame after everything on the timeline, markers and range included. The video itself may be shorter: it ends with the sound. */
export function timelineEnd(document: ProjectDocument): number {
  return Math.max(
    lastEnd(document.portraits),
    lastEnd(document.prompts),
    ...document.audioTracks.map((track) => lastEnd(track.segments)),
    document.range?.end ?? 0,
    // Markers are sorted by their frames.
    (document.markers.at(-1)?.frame ?? -1) + 1,
  );
}
