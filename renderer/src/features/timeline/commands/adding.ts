import type { EditCommand, SegmentContent } from "../../../../../electron/contract/document/edit/commands.ts";
import type { MediaFile, ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import { framesOfProject, indexAfter, lastEnd } from "../../../../../electron/contract/document/timeline.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import type { Span } from "../geometry/visible.ts";

/** A picture or prompt on an otherwise empty timeline: ten seconds. */
const USUAL_FRAMES = 250;

/** How long something that holds on (a picture, a prompt) begins with: to the next one, else to the end of the video. */
export function roomFrom(document: ProjectDocument, segments: readonly Span[], start: number): number {
  const next = segments[indexAfter(segments, start)];
  if (next !== undefined) return Math.max(1, next.start - start);
  const end = Math.max(framesOfProject(document), lastEnd(segments));
  return end > start ? end - start : USUAL_FRAMES;
}

/** Puts a file of the project on its track. A recording goes to the given track, or to the first one. */
export function addMediaSegment(session: EditorSession, media: MediaFile, start: number, trackId: string | null): boolean {
  const { present } = session.editor.store.getState().history;
  const known = present.media.some((one) => one.id === media.id);
  const content = contentOf(present, media, start, trackId);
  if (content === null) return false;
  const ripple = session.view.store.getState().ripple && media.kind === "audio" ? "all" : "none";
  const add: EditCommand = { type: "addSegment", start, content, ripple };
  return session.editor.edit(known ? [add] : [{ type: "addMedia", media }, add], {
    label: { key: `edit.addSegment.${content.kind}`, values: { count: 1 } },
    selectCreated: true,
  });
}

/** A prompt that was used before, in another place. */
export function addPromptSegment(session: EditorSession, text: string, start: number): boolean {
  const { present } = session.editor.store.getState().history;
  const duration = roomFrom(present, present.prompts, start);
  return session.editor.edit({ type: "addSegment", start, ripple: "none", content: { kind: "prompt", text, duration } }, { selectCreated: true });
}

function contentOf(document: ProjectDocument, media: MediaFile, start: number, trackId: string | null): SegmentContent | null {
  if (media.kind === "captions") return null;
  if (media.kind === "image") return { kind: "portrait", mediaId: media.id, duration: roomFrom(document, document.portraits, start) };
  const track = document.audioTracks.find((one) => one.id === trackId) ?? document.audioTracks[0];
  return track === undefined ? null : { kind: "audio", trackId: track.id, mediaId: media.id, sourceStart: 0, duration: null };
}
