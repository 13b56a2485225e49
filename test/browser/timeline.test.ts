import { describe, expect } from "vitest";
import { endOf } from "../../electron/contract/document/timeline.ts";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { openTimeline, voice } from "./timeline-page.ts";
import { documentOf } from "./timeline-project.ts";
import { test } from "./timeline-test.ts";

const ids = (document: ProjectDocument, track: number) => voice(document, track).map(([id]) => id);

describe("dragging segments", () => {
  test("a drag moves a segment in one step, which undo takes back", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    await timeline.drag(point(350, "voice1", 14), point(420, "voice1", 14));
    await timeline.saved((document) => {
      const [, , c] = voice(document, 0);
      expect(c?.[1]).toBeGreaterThan(365);
      expect(c?.[1]).toBeLessThan(375);
    });
    await page.keyboard.press("Control+z");
    await timeline.saved((document) => expect(voice(document, 0)[2]).toEqual(["c", 300, 100]));
    await page.keyboard.press("Control+Shift+z");
    await timeline.saved((document) => expect(voice(document, 0)[2]?.[1]).not.toBe(300));
  });

  test("Esc takes the drag back, and nothing is saved", async ({ open: { timeline, client, material } }) => {
    const { page, point } = timeline;
    await timeline.drag(point(350, "voice1", 14), point(450, "voice1", 14), false);
    await page.keyboard.press("Escape");
    await page.mouse.up();
    // Another edit shows that everything before it has reached the server.
    await timeline.seek(10);
    await page.keyboard.press("m");
    await timeline.saved((document) => expect(document.markers).toHaveLength(1));
    const document = await documentOf(client, material.projectId);
    expect(voice(document, 0)).toEqual(voice(material.document, 0));
    await page.keyboard.press("Control+z");
    await timeline.saved((now) => expect(now.markers).toHaveLength(0));
  });

  test("an edge snaps to its neighbour; Alt and N let it go free", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const near = 4 / timeline.pixelsPerFrame();
    // The playhead would attract as well.
    await page.keyboard.press("Home");
    await timeline.drag(point(350, "voice1", 14), point(250 + near, "voice1", 14));
    await timeline.saved((document) => expect(voice(document, 0)[2]).toEqual(["c", 200, 100]));
    await page.keyboard.press("Control+z");
    await timeline.drag(point(350, "voice1", 14), point(280, "voice1", 14), false);
    await page.keyboard.down("Alt");
    const free = point(250 + near, "voice1", 14);
    await page.mouse.move(free.x, free.y, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Alt");
    await timeline.saved((document) => {
      expect(voice(document, 0)[2]?.[1]).toBeGreaterThan(200);
      expect(voice(document, 0)[2]?.[1]).toBeLessThan(206);
    });
    await page.keyboard.press("Control+z");
    await page.keyboard.press("n");
    await timeline.drag(point(350, "voice1", 14), point(250 + near, "voice1", 14));
    await timeline.saved((document) => {
      expect(voice(document, 0)[2]?.[1]).toBeGreaterThan(200);
      expect(voice(document, 0)[2]?.[1]).toBeLessThan(206);
    });
  });

  test("several chosen segments move together, also to another voice track", async ({ open: { timeline } }) => {
    const { point } = timeline;
    await timeline.click(50, "voice1");
    await timeline.click(350, "voice1", ["Control"]);
    await timeline.drag(point(350, "voice1", 14), point(350, "voice2", 14));
    await timeline.saved((document) => {
      expect(ids(document, 0)).toEqual(["b"]);
      expect(ids(document, 1)).toEqual(["a", "c"]);
    });
  });

  test("a rectangle drawn on the empty part chooses what it touches", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    await timeline.drag(point(460, "voice1", 20), point(150, "voice1", -20));
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(ids(document, 0)).toEqual(["a"]));
  });

  test("the end is trimmed by its handle; a shared edge moves both sides", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    await page.keyboard.press("n");
    const inside = point(400, "voice1", 14);
    await timeline.drag({ x: inside.x - 3, y: inside.y }, { x: point(360, "voice1").x - 3, y: inside.y });
    await timeline.saved((document) => {
      expect(voice(document, 0)[2]?.[1]).toBe(300);
      expect(Math.abs((voice(document, 0)[2]?.[2] ?? 0) - 60)).toBeLessThanOrEqual(1);
    });
    await timeline.drag(point(100, "voice1", 14), point(130, "voice1", 14));
    await timeline.saved((document) => {
      const [a, b] = document.audioTracks[0]?.segments ?? [];
      if (a === undefined || b === undefined) throw new Error("A segment is gone");
      expect(endOf(a)).toBe(b.start);
      expect(Math.abs(b.start - 130)).toBeLessThanOrEqual(1);
      expect(endOf(b)).toBe(200);
    });
  });

  test("gain line and fade handle", async ({ open: { timeline } }) => {
    const { point } = timeline;
    await timeline.click(350, "voice1");
    // The line of 0 dB stands at 40 % from the top of the segment.
    await timeline.drag(point(350, "voice1", -5), point(350, "voice1", 10));
    await timeline.saved((document) => {
      expect(document.audioTracks[0]?.segments[2]?.gainDecibels).toBeLessThan(-6);
      expect(document.audioTracks[0]?.segments[2]?.gainDecibels).toBeGreaterThan(-30);
    });
    const corner = point(300, "voice1", -19);
    await timeline.drag({ x: corner.x + 12, y: corner.y }, { x: point(330, "voice1").x, y: corner.y });
    await timeline.saved((document) => expect(Math.abs((document.audioTracks[0]?.segments[2]?.fadeIn ?? 0) - 30)).toBeLessThanOrEqual(1));
  });
});

describe("keys", () => {
  test("S splits what lies under the playhead; Ctrl+B splits only what is chosen", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.seek(350);
    await page.keyboard.press("s");
    await timeline.saved((document) => {
      expect(voice(document, 0).map(([, start, duration]) => [start, duration])).toEqual([[0, 100], [100, 100], [300, 50], [350, 50]]);
      expect(document.portraits).toHaveLength(2);
      expect(document.prompts).toHaveLength(3);
    });
    await page.keyboard.press("Control+z");
    await timeline.click(50, "voice1");
    await timeline.seek(60);
    await page.keyboard.press("Control+b");
    await timeline.saved((document) => {
      expect(voice(document, 0).map(([, start]) => start)).toEqual([0, 60, 100, 300]);
      expect(document.portraits).toHaveLength(1);
    });
  });

  test("Del leaves a gap, Shift+Del closes it on all tracks", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.click(50, "voice1");
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(voice(document, 0)).toEqual([["b", 100, 100], ["c", 300, 100]]));
    await page.keyboard.press("Control+z");
    await timeline.click(50, "voice1");
    await page.keyboard.press("Shift+Delete");
    await timeline.saved((document) => {
      expect(voice(document, 0)).toEqual([["b", 0, 100], ["c", 200, 100]]);
      expect(document.prompts.map(({ start }) => start)).toEqual([0, 100]);
    });
  });

  test("Q and W trim to the playhead", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.seek(320);
    await page.keyboard.press("q");
    await timeline.seek(380);
    await page.keyboard.press("w");
    await timeline.saved((document) => expect(voice(document, 0)[2]).toEqual(["c", 320, 60]));
  });

  test("copied segments are pasted at the playhead, and again behind that", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.click(350, "voice1");
    await page.keyboard.press("Control+c");
    await timeline.seek(450);
    await page.keyboard.press("Control+v");
    await page.keyboard.press("Control+v");
    await timeline.saved((document) => expect(voice(document, 0).map(([, start]) => start)).toEqual([0, 100, 300, 450, 550]));
    await page.keyboard.press("Control+d");
    await timeline.saved((document) => expect(voice(document, 0).map(([, start]) => start)).toEqual([0, 100, 300, 450, 550, 650]));
  });

  test("chosen segments move by frame and by second", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.click(350, "voice1");
    await page.keyboard.press("Alt+ArrowRight");
    await page.keyboard.press(".");
    await page.keyboard.press("Alt+Shift+ArrowRight");
    await page.keyboard.press("]");
    await page.keyboard.press("Shift+{");
    await timeline.saved((document) => expect(voice(document, 0)[2]).toEqual(["c", 328, 98]));
  });

  test("arrows step, Up and Down go to edits, Home and End to the ends", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.seek(150);
    const presses: readonly (readonly [string, number])[] = [["ArrowRight", 151], ["Shift+ArrowRight", 176], ["ArrowDown", 200], ["ArrowUp", 100], ["ArrowLeft", 99], ["End", 500], ["Home", 0]];
    for (const [key, frame] of presses) {
      await page.keyboard.press(key);
      await expect.poll(timeline.playhead, { message: key }).toBe(frame);
    }
  });

  test("in and out points, and markers", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    await timeline.seek(100);
    await page.keyboard.press("i");
    await timeline.seek(299);
    await page.keyboard.press("o");
    await timeline.saved((document) => expect(document.range).toEqual({ start: 100, end: 300 }));
    await page.keyboard.press("Alt+x");
    await timeline.saved((document) => expect(document.range).toBeNull());
    await timeline.seek(50);
    await page.keyboard.press("m");
    await page.keyboard.press("n");
    await timeline.drag(point(50, "markers"), point(120, "markers"));
    await timeline.saved((document) => expect(Math.abs((document.markers[0]?.frame ?? 0) - 120)).toBeLessThanOrEqual(1));
    const { x, y } = point(120, "markers");
    await page.mouse.dblclick(x, y);
    await page.getByLabel("Name of the marker").fill("Chapter 2");
    await page.keyboard.press("Enter");
    await timeline.saved((document) => expect(document.markers[0]?.label).toBe("Chapter 2"));
    await page.mouse.click(x, y);
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(document.markers).toHaveLength(0));
  });

  test("the whole edit without a pointer: choose in the list, move, trim, split, delete", async ({ open: { timeline } }) => {
    const { page } = timeline;
    const list = page.getByRole("listbox", { name: /Voice 1/ });
    await list.focus();
    await page.keyboard.press("Home");
    await expect.poll(() => list.getByRole("option", { selected: true }).textContent()).toContain("from 0:00:00");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Alt+ArrowRight");
    await timeline.saved((document) => expect(voice(document, 0)[2]).toEqual(["c", 301, 100]));
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(ids(document, 0)).toEqual(["a", "c"]));
  });
});

describe("prompts in their place", () => {
  test("double click edits; Enter keeps, Shift+Enter starts a line, Esc does not keep", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const { x, y } = point(100, "prompt");
    const field = page.getByLabel("Prompt text");
    await page.mouse.dblclick(x, y);
    await field.fill("A man");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("in a garden s");
    await page.keyboard.press("Enter");
    await timeline.saved((document) => expect(document.prompts[0]?.text).toBe("A man\nin a garden s"));
    expect(await field.count()).toBe(0);
    await page.mouse.dblclick(x, y);
    await field.fill("Nobody");
    await page.keyboard.press("Escape");
    expect(await field.count()).toBe(0);
    await page.keyboard.press("Control+z");
    await timeline.saved((document) => expect(document.prompts[0]?.text).toBe("A woman in an office, smiling, soft light"));
  });

  test("a press elsewhere on the timeline keeps what was typed, and the keys are shortcuts again", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const { x, y } = point(100, "prompt");
    await page.mouse.dblclick(x, y);
    await page.getByLabel("Prompt text").fill("She waves");
    await timeline.click(350, "voice1");
    await page.keyboard.press("Alt+ArrowRight");
    await timeline.saved((document) => {
      expect(document.prompts[0]?.text).toBe("She waves");
      expect(voice(document, 0)[2]?.[1]).toBe(301);
    });
  });

  test("an input method's Enter chooses its word and does not end the edit", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const { x, y } = point(100, "prompt");
    await page.mouse.dblclick(x, y);
    const field = page.getByLabel("Prompt text");
    await field.fill("");
    const input = await page.context().newCDPSession(page);
    await input.send("Input.imeSetComposition", { text: "微笑", selectionStart: 2, selectionEnd: 2 });
    // Enter while a word is being composed: browsers send it with `isComposing`.
    await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
    await input.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
    expect(await field.count()).toBe(1);
    await input.send("Input.insertText", { text: "微笑" });
    await page.keyboard.press("Enter");
    await timeline.saved((document) => expect(document.prompts[0]?.text).toBe("微笑"));
  });

  test("a double click on the empty part writes a new one; nothing typed makes none", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    await page.keyboard.press("Control+a");
    await timeline.click(300, "prompt");
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(document.prompts).toHaveLength(1));
    const { x, y } = point(300, "prompt");
    await page.mouse.dblclick(x, y);
    await page.keyboard.press("Enter");
    await page.mouse.dblclick(x, y);
    await page.keyboard.type("She laughs");
    await page.keyboard.press("Enter");
    await timeline.saved((document) => expect(document.prompts.map(({ text }) => text)).toEqual(["A woman in an office, smiling, soft light", "She laughs"]));
  });
});

describe("view, menus and tracks", () => {
  test("Ctrl+wheel zooms and keeps the frame under the pointer", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const before = timeline.pixelsPerFrame();
    const { x, y } = point(300, "voice1");
    await page.mouse.move(x, y);
    await page.keyboard.down("Control");
    for (let turn = 0; turn < 4; turn += 1) await page.mouse.wheel(0, -100);
    await page.keyboard.up("Control");
    await timeline.calibrate();
    expect(timeline.pixelsPerFrame()).toBeGreaterThan(before * 2);
    expect(Math.abs(timeline.point(300, "voice1").x - x)).toBeLessThan(timeline.pixelsPerFrame() * 1.5);
    await page.keyboard.press("Shift+Z");
    await timeline.calibrate();
    expect(timeline.pixelsPerFrame()).toBeCloseTo(before, 1);
  });

  test("the right mouse button offers what can be done with what it pressed", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const { x, y } = point(350, "voice1", 14);
    await page.mouse.click(x, y, { button: "right" });
    await page.getByRole("menuitem", { name: /^Delete and close/ }).click();
    await timeline.saved((document) => expect(ids(document, 0)).toEqual(["a", "b"]));
  });

  test("a voice track is added, renamed, muted and removed", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await page.getByRole("button", { name: "Add voice track" }).click();
    await timeline.saved((document) => expect(document.audioTracks.map(({ name }) => name)).toEqual(["Voice 1", "Voice 2", "Voice 3"]));
    await page.getByText("Voice 2", { exact: true }).dblclick();
    await page.getByLabel("Name of the track").fill("Guest");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Mute Guest" }).click();
    await timeline.saved((document) => expect(document.audioTracks[1]).toMatchObject({ name: "Guest", muted: true }));
    await page.getByRole("button", { name: "More for Voice 3" }).click();
    await page.getByRole("menuitem", { name: "Remove track" }).click();
    await timeline.saved((document) => expect(document.audioTracks).toHaveLength(2));
  });
});

test("what one window edits, the other shows; each goes on from there", async ({ open: { timeline, client, material }, openPage }) => {
  const other = await openTimeline(openPage, client, material);
  await timeline.click(350, "voice1");
  await timeline.page.keyboard.press("Delete");
  await other.page.getByRole("listbox", { name: "Voice 1, segments: 2" }).waitFor({ state: "attached" });
  await other.click(50, "voice1");
  await other.page.keyboard.press("Delete");
  await timeline.saved((document) => expect(ids(document, 0)).toEqual(["b"]));
  // The other window's edit is a step of its own here.
  await timeline.page.getByRole("listbox", { name: "Voice 1, segments: 1" }).waitFor({ state: "attached" });
  await timeline.page.keyboard.press("Control+z");
  await timeline.saved((document) => expect(ids(document, 0)).toEqual(["a", "b"]));
});
