import type { EditCommand } from "../../../../electron/contract/document/edit/commands.ts";
import type { MediaFile } from "../../../../electron/contract/document/project-document.schema.ts";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import { FRAMES_PER_SECOND } from "../../../../electron/contract/time.ts";
import type { EditorSession } from "../../editor/editor-session.ts";

/** Length of a portrait or prompt when nothing says how long it should be. */
const SHORTEST = 5 * FRAMES_PER_SECOND;

/** Frames from the playhead to the end of the video, or a few seconds. */
export function roomAhead(session: EditorSession): number {
  return Math.max(SHORTEST, framesOfProject(session.editor.store.getState().history.present) - session.playhead.get());
}

/** Puts a picture or recording on the timeline at the playhead, over what is there. */
export function placeOnTimeline(session: EditorSession, media: MediaFile): void {
  const { editor, playhead } = session;
  const trackId = editor.store.getState().history.present.audioTracks[0]?.id;
  if (media.kind === "captions" || (media.kind === "audio" && trackId === undefined)) return;
  const command: EditCommand = {
    type: "addSegment",
    start: playhead.get(),
    ripple: "none",
    content: media.kind === "image" ? { kind: "portrait", mediaId: media.id, duration: roomAhead(session) } : { kind: "audio", trackId: trackId ?? "", mediaId: media.id, sourceStart: 0, duration: null },
  };
  editor.edit(command, { selectCreated: true });
}

export function placePrompt(session: EditorSession, text: string): void {
  session.editor.edit({ type: "addSegment", start: session.playhead.get(), ripple: "none", content: { kind: "prompt", text, duration: roomAhead(session) } }, { selectCreated: true });
}
