import { describe, expect, test } from "vitest";
import { newDocument } from "../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import { createEditor } from "./editor-store.ts";
import type { ProjectStorage } from "./project-saver.ts";
import { changesLocked, createTracks, type Memory } from "./track-states.ts";

function memory(content: Record<string, string> = {}): Memory & { readonly content: Map<string, string> } {
  const map = new Map(Object.entries(content));
  return { content: map, getItem: (name) => map.get(name) ?? null, setItem: (name, value) => void map.set(name, value), removeItem: (name) => void map.delete(name) };
}

describe("what is remembered", () => {
  test("locks and heights are there again the next time, each project's own", () => {
    const store = memory();
    const tracks = createTracks("p", store);
    tracks.setLocked("prompt", true);
    tracks.setLocked("audio:t", true);
    tracks.setLocked("audio:t", false);
    tracks.setHeight("portrait", 90);
    expect([...createTracks("p", store).store.getState().locked]).toEqual(["prompt"]);
    expect(createTracks("p", store).store.getState().heights).toEqual({ portrait: 90 });
    expect(createTracks("q", store).store.getState().locked.size).toBe(0);
  });

  test("a track like all others leaves nothing behind", () => {
    const store = memory();
    const tracks = createTracks("p", store);
    tracks.setHeight("portrait", 90);
    tracks.setHeight("portrait", null);
    expect(store.content.size).toBe(0);
  });

  test("broken and foreign entries are left out, and a storage that fails does no harm", () => {
    for (const broken of ["", "nonsense", "null", "7", '{"locked":3,"heights":[]}', '{"locked":[1,null],"heights":{"prompt":"high"}}']) {
      const { locked, heights } = createTracks("p", memory({ "avatar-studio.tracks.p": broken })).store.getState();
      expect([locked.size, Object.keys(heights).length]).toEqual([0, 0]);
    }
    const full: Memory = { ...memory(), setItem: () => { throw new Error("full"); } };
    const tracks = createTracks("p", full);
    tracks.setLocked("prompt", true);
    expect(tracks.store.getState().locked.has("prompt")).toBe(true);
  });
});

const document: ProjectDocument = {
  ...newDocument({ id: "p", name: "Project", audioTrackId: "t", audioTrackName: "Voice 1", baseSeed: 1 }),
  prompts: [
    { id: "a", start: 0, duration: 100, text: "one" },
    { id: "b", start: 100, duration: 100, text: "two" },
  ],
};

describe("locked tracks", () => {
  const locked = new Set<string>();
  const storage: ProjectStorage = { save: (_, base) => Promise.resolve({ kind: "saved", revision: base + 1 }), newest: () => Promise.resolve(null), untilWorthRetrying: () => Promise.resolve() };
  const open = () => createEditor("p", { document, revision: 1, folder: "", outputs: [], missingMedia: [], notices: [], readOnly: false }, storage, () => locked);

  test("no edit changes what lies on them, not even one of other tracks that closes a gap everywhere", () => {
    const editor = open();
    editor.edit({ type: "setPromptText", id: "a", text: "before" });
    locked.add("prompt");
    expect(editor.edit({ type: "setPromptText", id: "a", text: "after" })).toBe(false);
    expect(editor.store.getState().refusal).toBe("trackLocked");
    expect(editor.preview({ type: "moveSegments", ids: ["b"], byFrames: 10, byTracks: 0 }, "timeline")).toBe(false);
    expect(editor.edit({ type: "addSegment", start: 0, ripple: "all", content: { kind: "prompt", text: "x", duration: 5 } })).toBe(false);
    expect(editor.store.getState().document.prompts[0]?.text).toBe("before");
  });

  test("other tracks, and taking back what was done before, stay free", () => {
    locked.clear();
    const editor = open();
    editor.edit({ type: "setPromptText", id: "a", text: "before" });
    locked.add("prompt");
    expect(editor.edit({ type: "addMarker", frame: 10, label: "" })).toBe(true);
    expect(editor.edit({ type: "setTrackMuted", trackId: "t", muted: true })).toBe(true);
    editor.undo();
    editor.undo();
    editor.undo();
    expect(editor.store.getState().document.prompts[0]?.text).toBe("one");
  });

  test("a locked track is not removed, and segments of the same content in a new list are no change", () => {
    const two: ProjectDocument = { ...document, audioTracks: [...document.audioTracks, { id: "u", name: "", muted: false, gainDecibels: 0, segments: [] }] };
    expect(changesLocked(new Set(["audio:u"]), two, document)).toBe(true);
    expect(changesLocked(new Set(["prompt"]), two, { ...two, prompts: [...two.prompts] })).toBe(false);
    expect(changesLocked(new Set(["prompt"]), two, { ...two, prompts: two.prompts.slice(1) })).toBe(true);
    expect(changesLocked(new Set(["audio:gone"]), two, document)).toBe(false);
  });
});
