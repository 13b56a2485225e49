import { beforeEach, expect, test } from "vitest";
import { newDocument } from "../../../electron/contract/document/new-document.ts";
import { toasts } from "../ui/toasts.ts";
import { createSession, type EditorSession } from "./editor-session.ts";
import { addSession, leaveSession, returnToSession, unsavedWork, waitsForServer } from "./left-sessions.ts";
import type { SaveOutcome } from "./project-saver.ts";

const document = newDocument({ id: "p", name: "Project", audioTrackId: "t", audioTrackName: "Voice 1", baseSeed: 1 });
const FAULT = { what: "", why: "", hint: "", field: null };

interface Opened {
  readonly session: EditorSession;
  readonly ended: () => boolean;
  /** The server's answer to the save under way. */
  readonly answer: (outcome: SaveOutcome) => Promise<void>;
}

function open(): Opened {
  let ended = false;
  const waiting: ((outcome: SaveOutcome) => void)[] = [];
  const inner = createSession("p", { document, revision: 1, folder: "", outputs: [], missingMedia: [], notices: [], readOnly: false }, {
    save: () => new Promise((resolve) => waiting.push(resolve)),
    newest: () => Promise.resolve({ document: { ...document, name: "Theirs" }, revision: 9 }),
    untilWorthRetrying: () => Promise.resolve(),
  });
  const session = {
    ...inner,
    dispose: () => {
      ended = true;
      inner.dispose();
    },
  };
  addSession(session);
  return {
    session,
    ended: () => ended,
    answer: async (outcome) => {
      waiting.shift()?.(outcome);
      // As many turns as the saver takes to go on.
      for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    },
  };
}

const mark = ({ editor }: EditorSession, name: string) => editor.edit({ type: "addMarker", frame: name.length, label: name });

beforeEach(() => toasts.setState({ list: [] }));

test("a session with nothing to save ends when it is left", () => {
  const { session, ended } = open();
  leaveSession(session);
  expect([ended(), waitsForServer(), returnToSession("p")]).toEqual([true, false, null]);
});

test("one with edits goes on until the server has the last of them", async () => {
  const { session, ended, answer } = open();
  mark(session, "a");
  mark(session, "ab");
  leaveSession(session);
  await answer({ kind: "saved", revision: 2 });
  expect([ended(), waitsForServer()]).toEqual([false, true]);
  await answer({ kind: "saved", revision: 3 });
  expect([ended(), waitsForServer(), returnToSession("p")]).toEqual([true, false, null]);
  expect(toasts.getState().list).toEqual([]);
});

test("who comes back meanwhile has the same session, which does not end by itself any more", async () => {
  const { session, ended, answer } = open();
  mark(session, "a");
  leaveSession(session);
  expect(returnToSession("p")).toBe(session);
  expect(returnToSession("p")).toBeNull();
  await answer({ kind: "saved", revision: 2 });
  expect(ended()).toBe(false);
  leaveSession(session);
  expect(ended()).toBe(true);
});

test.each<[string, SaveOutcome]>([
  ["refused", { kind: "refused", fault: { ...FAULT, code: "DISK_FULL" } }],
  ["in conflict with another window", { kind: "changed-elsewhere" }],
])("edits that are %s are kept, and the user is told where to settle it", async (_, outcome) => {
  const { session, ended, answer } = open();
  mark(session, "a");
  leaveSession(session);
  await answer(outcome);
  expect([ended(), waitsForServer(), unsavedWork.getState().waiting, toasts.getState().list.length]).toEqual([false, true, true, 1]);
  expect(returnToSession("p")).toBe(session);
  session.editor.resolveConflict("theirs");
  session.editor.retrySaving();
  await answer({ kind: "saved", revision: 10 });
  expect(unsavedWork.getState().waiting).toBe(false);
  leaveSession(session);
  expect(ended()).toBe(true);
});

test("edits of a project that was removed since are let go", async () => {
  const { session, ended, answer } = open();
  mark(session, "a");
  leaveSession(session);
  await answer({ kind: "refused", fault: { ...FAULT, code: "PROJECT_MISSING" } });
  expect([ended(), waitsForServer(), toasts.getState().list]).toEqual([true, false, []]);
});
