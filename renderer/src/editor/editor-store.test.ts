import { describe, expect, test, vi } from "vitest";
import { newDocument } from "../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import { createEditor } from "./editor-store.ts";
import type { ProjectStorage } from "./project-saver.ts";

const document: ProjectDocument = {
  ...newDocument({ id: "p", name: "Project", audioTrackId: "t", audioTrackName: "Voice 1", baseSeed: 1 }),
  prompts: [
    { id: "a", start: 0, duration: 100, text: "one" },
    { id: "b", start: 100, duration: 100, text: "two" },
  ],
  markers: [{ id: "m", frame: 10, label: "" }],
};

function open(readOnly = false) {
  const saved: ProjectDocument[] = [];
  const storage: ProjectStorage = {
    save: (sent, base) => {
      saved.push(sent);
      return Promise.resolve({ kind: "saved", revision: base + 1 });
    },
    newest: () => Promise.resolve(null),
    untilWorthRetrying: () => Promise.resolve(),
  };
  const editor = createEditor("p", { document, revision: 1, folder: "", outputs: [], missingMedia: [], notices: [], readOnly }, storage);
  return { editor, saved, state: () => editor.store.getState() };
}

describe("editing", () => {
  test("an edit is a named step and is saved", async () => {
    const { editor, saved, state } = open();
    expect(editor.edit({ type: "setPromptText", id: "a", text: "three" })).toBe(true);
    expect(state().document.prompts[0]?.text).toBe("three");
    expect(state().history.past?.label.key).toBe("edit.setPromptText");
    await editor.saved();
    expect(saved.at(-1)?.prompts[0]?.text).toBe("three");
    editor.undo();
    expect(state().document).toBe(document);
    await editor.saved();
    expect(saved.at(-1)).toBe(document);
    editor.redo();
    expect(state().document.prompts[0]?.text).toBe("three");
  });

  test("edits of one gesture are one step, until it ends", () => {
    const { editor, state } = open();
    for (const text of ["t", "th", "thr"]) editor.edit({ type: "setPromptText", id: "a", text }, { gesture: "typing" });
    expect(state().history.past?.count).toBe(1);
    editor.endGesture();
    editor.edit({ type: "setPromptText", id: "a", text: "thre" }, { gesture: "typing" });
    expect(state().history.past?.count).toBe(2);
  });

  test("a refused edit says why and changes nothing", () => {
    const { editor, saved, state } = open();
    expect(editor.edit({ type: "split", frame: 5_000, target: { kind: "all" } })).toBe(false);
    expect(state().refusal).toBe("nothingToSplit");
    expect(state().history.past).toBeNull();
    expect(saved).toEqual([]);
    editor.edit({ type: "setPromptText", id: "a", text: "three" });
    expect(state().refusal).toBeNull();
  });

  test("what an edit or undo takes away is no longer selected", () => {
    const { editor, state } = open();
    editor.select(["a", "b"]);
    editor.edit({ type: "deleteSegments", ids: ["a"], ripple: "none" });
    expect([...state().selection]).toEqual(["b"]);
    editor.focusOn({ kind: "marker", id: "m" });
    editor.edit({ type: "removeMarkers", ids: ["m"] });
    expect(state().focus).toBeNull();
    editor.edit({ type: "duplicateSegments", ids: ["b"], ripple: "none" }, { selectCreated: true });
    expect(state().selection.size).toBe(1);
    editor.undo();
    expect(state().selection.size).toBe(0);
  });

  test("a read-only project takes no edit", () => {
    const { editor, saved, state } = open(true);
    expect(editor.edit({ type: "setPromptText", id: "a", text: "three" })).toBe(false);
    expect(editor.preview({ type: "setPromptText", id: "a", text: "three" })).toBe(false);
    editor.undo();
    expect(state().document).toBe(document);
    expect(saved).toEqual([]);
  });
});

describe("previews", () => {
  const move = (byFrames: number) => ({ type: "moveSegments", ids: ["b"], byFrames, byTracks: 0 }) as const;

  test("a drag is shown to the timeline alone, and becomes one step", () => {
    const { editor, saved, state } = open();
    const page = vi.fn();
    editor.store.subscribe(page);
    for (let frames = 1; frames <= 30; frames += 1) editor.preview(move(frames), "timeline");
    expect(editor.shown.getState().document.prompts[1]?.start).toBe(130);
    expect(state().document).toBe(document);
    expect(page).not.toHaveBeenCalled();
    expect(saved).toEqual([]);
    expect(editor.commitPreview()).toBe(true);
    expect(state().document.prompts[1]?.start).toBe(130);
    expect(state().history.past).toMatchObject({ count: 1, label: { key: "edit.moveSegments" } });
    expect(saved).toHaveLength(1);
    expect(editor.commitPreview()).toBe(false);
  });

  test("a drag taken back leaves nothing behind; news meanwhile do not end it", () => {
    const { editor, saved, state } = open();
    editor.preview(move(30), "timeline");
    editor.server.missingMedia(["gone"]);
    expect(editor.shown.getState().document.prompts[1]?.start).toBe(130);
    editor.preview(null, "timeline");
    expect(editor.shown.getState().document).toBe(document);
    expect(editor.commitPreview()).toBe(false);
    expect(state().history.past).toBeNull();
    expect(saved).toEqual([]);
  });

  test("a slider's preview is shown to all", () => {
    const { editor, state } = open();
    editor.preview({ type: "setTrackGain", trackId: "t", gainDecibels: -6 });
    expect(state().document.audioTracks[0]?.gainDecibels).toBe(-6);
    expect(state().history.present).toBe(document);
    editor.edit({ type: "setTrackGain", trackId: "t", gainDecibels: -7 });
    expect(state().history.past?.count).toBe(1);
    expect(editor.shown.getState().document.audioTracks[0]?.gainDecibels).toBe(-7);
  });
});

test("another window's document is a step that undo takes back", () => {
  const { editor, state } = open();
  const theirs = { ...document, name: "Theirs" };
  editor.server.savedElsewhere({ document: theirs, revision: 2 });
  expect(state().document.name).toBe("Theirs");
  expect(state().history.past?.label.key).toBe("edit.otherWindow");
  editor.undo();
  expect(state().document).toBe(document);
});
