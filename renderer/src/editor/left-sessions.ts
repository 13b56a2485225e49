import i18next from "i18next";
import { createStore } from "zustand/vanilla";
import { navigate } from "../app/navigation.ts";
import { showToast } from "../ui/toasts.ts";
import type { EditorSession } from "./editor-session.ts";

/** All sessions of this window: the one on screen, and those that were left before the server had their last edits. */
const open = new Set<EditorSession>();
/** Left ones, by their project. */
const left = new Map<string, { readonly session: EditorSession; readonly forget: () => void }>();

/** Whether edits wait for more than the answer to come: the server is away, or the user has to settle something. */
export const unsavedWork = createStore(() => ({ waiting: false }));

const stateOf = ({ editor }: EditorSession) => editor.store.getState();

export function addSession(session: EditorSession): void {
  open.add(session);
  session.editor.store.subscribe((state, before) => {
    if (state.saving !== before.saving) tellWaiting();
  });
}

function tellWaiting(): void {
  const waiting = [...open].some((session) => !["saved", "saving"].includes(stateOf(session).saving.kind));
  if (waiting !== unsavedWork.getState().waiting) unsavedWork.setState({ waiting });
}

/** Whether edits of any project still wait for the server. */
export function waitsForServer(): boolean {
  return [...open].some((session) => stateOf(session).saving.kind !== "saved");
}

/** Ends a session, whatever it still has to save. */
export function endSession(session: EditorSession): void {
  open.delete(session);
  session.dispose();
  tellWaiting();
}

/** The screen of a session was left: the session ends when the server has all of its edits. */
export function leaveSession(session: EditorSession): void {
  const { projectId } = stateOf(session);
  const settle = () => {
    const { saving, document } = stateOf(session);
    switch (saving.kind) {
      case "saving":
      case "waiting":
        return;
      case "saved":
        end();
        return;
      case "failed":
        // The user has removed it since.
        if (saving.fault.code === "PROJECT_MISSING") {
          end();
          return;
        }
        break;
      case "conflict":
        break;
    }
    // Only the user can settle it, in the studio.
    showToast(i18next.t("studio.left", { name: document.name }), { label: i18next.t("home.open"), run: () => navigate({ page: "studio", projectId }) });
  };
  const forget = session.editor.store.subscribe((state, before) => {
    if (state.saving !== before.saving) settle();
  });
  const end = () => {
    forget();
    if (left.get(projectId)?.session === session) left.delete(projectId);
    endSession(session);
  };
  left.set(projectId, { session, forget });
  settle();
}

/** The session in which a project was left, with the edits that wait and their undo steps, to go on with; null if there is none. */
export function returnToSession(projectId: string): EditorSession | null {
  const found = left.get(projectId);
  if (found === undefined) return null;
  found.forget();
  left.delete(projectId);
  return found.session;
}
