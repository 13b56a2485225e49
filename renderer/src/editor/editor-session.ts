import { createStore, type StoreApi } from "zustand/vanilla";
import { useStore } from "zustand";
import { createEditor, type Editor, type EditorState } from "./editor-store.ts";
import { createPlayhead, type Playhead } from "./playhead.ts";
import type { ProjectStorage } from "./project-saver.ts";
import { timelineEnd } from "./timeline-end.ts";
import { createTracks, type Memory, type Tracks } from "./track-states.ts";
import { createTransportSlot, type TransportSlot } from "./transport.ts";
import { createView, type View } from "./view.ts";
import type { OpenedProject } from "../../../electron/contract/rpc.ts";

/** All that belongs to one open project in this window. */
export interface EditorSession {
  readonly editor: Editor;
  readonly playhead: Playhead;
  readonly view: View;
  readonly tracks: Tracks;
  readonly transport: TransportSlot;
  readonly dispose: () => void;
}

export function createSession(projectId: string, opened: OpenedProject, storage: ProjectStorage): EditorSession {
  const tracks = createTracks(projectId, pageMemory());
  const editor = createEditor(projectId, opened, storage, () => tracks.store.getState().locked);
  const view = createView();
  const setLength = () => view.setLength(timelineEnd(editor.shown.getState().document));
  setLength();
  const stop = editor.shown.subscribe(setLength);
  return {
    editor,
    playhead: createPlayhead(),
    view,
    tracks,
    transport: createTransportSlot(),
    dispose: () => {
      stop();
      editor.dispose();
    },
  };
}

/** Null where the browser keeps nothing for pages. */
function pageMemory(): Memory | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** The session on screen; commands of the action registry act on it. Null outside the studio. */
export const currentSession: StoreApi<{ readonly session: EditorSession | null }> = createStore(() => ({ session: null }));

/** A part of the editor's state, as the component's own. */
export function useEditor<T>(session: EditorSession, select: (state: EditorState) => T): T {
  return useStore(session.editor.store, select);
}
