import { describe, expect, test } from "vitest";
import { newDocument } from "../../../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import { MEDIA_DRAG_TYPE, PROMPT_DRAG_TYPE } from "../../../editor/drag-media.ts";
import { rowsOf } from "../geometry/rows.ts";
import { type Dragged, draggedOf, lengthOf, rowFor } from "./dragged.ts";

const common = { path: "media/x", bytes: 1, sha256: "0".repeat(64) };
const document: ProjectDocument = {
  ...newDocument({ id: "p", name: "Project", audioTrackId: "one", audioTrackName: "Voice 1", baseSeed: 1 }),
  media: [
    { ...common, kind: "image", id: "anna", name: "anna.png", width: 512, height: 512 },
    { ...common, kind: "audio", id: "speech", name: "speech.wav", samples: 48_000, sampleRate: 16_000, channels: 1 },
  ],
  portraits: [{ id: "a", start: 100, duration: 50, mediaId: "anna" }],
};
const rows = rowsOf(["one", "two"]);
const [portrait, prompt, voice1, voice2, video] = rows;

function transfer(types: readonly string[], fileTypes: readonly string[] = []): Pick<DataTransfer, "types" | "items"> {
  return { types, items: fileTypes.map((type) => ({ kind: "file", type })) as unknown as DataTransferItemList };
}

describe("what is dragged", () => {
  test("media are known by the drag that began in the page", () => {
    expect(draggedOf(transfer([MEDIA_DRAG_TYPE]), document, "speech")).toMatchObject({ kind: "media", media: { id: "speech" } });
    // From another window, whose project has other files.
    expect(draggedOf(transfer([MEDIA_DRAG_TYPE]), document, null)).toBeNull();
    expect(draggedOf(transfer([MEDIA_DRAG_TYPE]), document, "other")).toBeNull();
  });

  test("what is neither media, prompt nor file is not for the timeline", () => {
    expect(draggedOf(transfer([PROMPT_DRAG_TYPE]), document, null)).toEqual({ kind: "prompt" });
    expect(draggedOf(transfer(["Files"], ["audio/wav"]), document, null)).toEqual({ kind: "files", types: ["audio/wav"] });
    expect(draggedOf(transfer(["text/plain"]), document, "speech")).toBeNull();
  });
});

describe("where it goes", () => {
  const files = (...types: string[]): Dragged => ({ kind: "files", types });
  const media = (id: string): Dragged => draggedOf(transfer([MEDIA_DRAG_TYPE]), document, id) ?? { kind: "prompt" };

  test("a picture and a prompt have one track, wherever the pointer is", () => {
    for (const under of [...rows, null]) {
      expect(rowFor(media("anna"), rows, under)).toBe(portrait);
      expect(rowFor({ kind: "prompt" }, rows, under)).toBe(prompt);
      expect(rowFor(files("image/png"), rows, under)).toBe(portrait);
    }
  });

  test("a recording takes the voice track it is over, else the first", () => {
    expect(rowFor(media("speech"), rows, voice2 ?? null)).toBe(voice2);
    expect(rowFor(files("audio/wav"), rows, voice2 ?? null)).toBe(voice2);
    for (const under of [portrait, prompt, video]) expect(rowFor(media("speech"), rows, under ?? null)).toBe(voice1);
    expect(rowFor(files(""), rows, voice2 ?? null)).toBe(voice2);
    expect(rowFor(files(""), rows, portrait ?? null)).toBe(portrait);
  });
});

test("its length is shown as far as it is known", () => {
  const of = (id: string): Dragged => draggedOf(transfer([MEDIA_DRAG_TYPE]), document, id) ?? { kind: "prompt" };
  expect(lengthOf(of("speech"), document, 0)).toBe(75);
  expect(lengthOf(of("anna"), document, 40)).toBe(60);
  expect(lengthOf({ kind: "files", types: ["audio/wav"] }, document, 0)).toBeNull();
});
