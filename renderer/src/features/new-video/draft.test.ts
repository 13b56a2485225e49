import { describe, expect, it } from "vitest";
import { applyEdit } from "../../../../electron/contract/document/edit/apply-edit.ts";
import type { EditCommand } from "../../../../electron/contract/document/edit/commands.ts";
import { violationsOf } from "../../../../electron/contract/document/invariants.ts";
import { newDocument } from "../../../../electron/contract/document/new-document.ts";
import { PRESETS } from "../../../../electron/contract/document/presets.ts";
import type { AudioFile, ImageFile, ProjectDocument } from "../../../../electron/contract/document/project-document.schema.ts";
import { draftOf, isEmpty, scopeOf, withPortrait, withPreset, withPrompt, withVoice } from "./draft.ts";

const common = (id: string) => ({ id, path: `media/${id}`, name: id, bytes: 1, sha256: id.padStart(64, "0").replace(/[^0-9a-f]/g, "a") });
const image = (id: string): ImageFile => ({ kind: "image", ...common(id), width: 640, height: 480 });
const audio = (id: string, seconds: number): AudioFile => ({ kind: "audio", ...common(id), samples: seconds * 16_000, sampleRate: 16_000, channels: 1 });

let lastId = 0;
const newId = () => `id${String((lastId += 1))}`;
function apply(document: ProjectDocument, commands: readonly EditCommand[]): ProjectDocument {
  return commands.reduce((before, command) => {
    const result = applyEdit(before, command, newId);
    if (result.refused !== null) throw new Error(`${command.type}: ${result.refused}`);
    expect(violationsOf(result.document)).toEqual([]);
    return result.document;
  }, document);
}
const empty = newDocument({ id: "p", name: "Test", audioTrackId: "t", audioTrackName: "Voice", baseSeed: 1 });

describe("a draft", () => {
  it("is complete in any order of its three parts, all as long as the voice", () => {
    const parts = [(document: ProjectDocument) => withPortrait(document, image("face")), (document: ProjectDocument) => withVoice(document, audio("speech", 4)), (document: ProjectDocument) => withPrompt(document, "A woman speaks")];
    const orders = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]];
    for (const order of orders) {
      const document = order.reduce((before, index) => apply(before, parts[index]?.(before) ?? []), empty);
      expect(draftOf(document)).toEqual({ portrait: image("face"), voice: audio("speech", 4), prompt: "A woman speaks", frames: 100, edited: false });
      expect([...document.portraits, ...document.prompts].map(({ start, duration }) => [start, duration])).toEqual([[0, 100], [0, 100]]);
    }
  });
  it("leaves nothing behind of what was replaced", () => {
    let document = apply(empty, withPortrait(empty, image("one")));
    document = apply(document, withPortrait(document, image("two")));
    document = apply(document, withVoice(document, audio("long", 60)));
    document = apply(document, withVoice(document, audio("short", 2)));
    expect(document.media.map(({ id }) => id)).toEqual(["two", "short"]);
    expect(draftOf(document).frames).toBe(50);
    expect(document.portraits.map(({ duration }) => duration)).toEqual([50]);
  });
  it("takes the very same file again", () => {
    const once = apply(empty, withPortrait(empty, image("face")));
    expect(draftOf(apply(once, withPortrait(once, image("face")))).portrait).toEqual(image("face"));
  });
  it("knows when it is empty, and when it is more than a draft", () => {
    expect(isEmpty(empty)).toBe(true);
    expect(isEmpty(apply(empty, withPrompt(empty, "  ")))).toBe(true);
    expect(isEmpty(apply(empty, withPortrait(empty, image("face"))))).toBe(false);
    const written = apply(empty, withPrompt(empty, "one"));
    expect(draftOf(apply(written, [{ type: "addSegment", start: 500, content: { kind: "prompt", text: "two", duration: 10 }, ripple: "none" }])).edited).toBe(true);
  });
});

describe("a preset", () => {
  it("changes settings only where they differ", () => {
    const [quick, standard] = PRESETS;
    if (quick === undefined || standard === undefined) throw new Error("presets are missing");
    expect(withPreset(empty, quick)).toEqual([]);
    const changed = apply(empty, withPreset(empty, standard));
    expect(changed.settings.final).toMatchObject(standard.settings);
    expect(withPreset(changed, standard)).toEqual([]);
  });
  it("renders at most its number of clips", () => {
    const [quick] = PRESETS;
    if (quick === undefined) throw new Error("presets are missing");
    expect(scopeOf(quick, 480, 48)).toEqual({ kind: "all" });
    expect(scopeOf(quick, 481, 48)).toEqual({ kind: "range", start: 0, end: 480 });
  });
});
