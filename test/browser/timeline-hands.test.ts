import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { connectTo } from "../support/studio-client.ts";
import { openTimeline, ROW, voice } from "./timeline-page.ts";
import { documentOf, type Material, recording, save, smallProject } from "./timeline-project.ts";
import { test } from "./timeline-test.ts";

const unchanged = (material: Material) => voice(material.document, 0);

describe("K held down", () => {
  test("steps with L and J by one frame, and they shuttle again without it", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.seek(100);
    await page.keyboard.down("k");
    await page.keyboard.press("l");
    await page.keyboard.press("l");
    await expect.poll(timeline.playhead).toBe(102);
    await page.keyboard.press("j");
    await expect.poll(timeline.playhead).toBe(101);
    await page.keyboard.up("k");
    await page.keyboard.press("l");
    await expect.poll(timeline.playhead).toBeGreaterThan(102);
    await page.keyboard.press("k");
  });
});

describe("a drag begun with Alt", () => {
  test("leaves the segment and brings a copy, in one step that undo takes back", async ({ open: { timeline, material } }) => {
    const { page, point } = timeline;
    await page.keyboard.down("Alt");
    await timeline.drag(point(350, "voice1", 14), point(460, "voice1", 14));
    await page.keyboard.up("Alt");
    await timeline.saved((document) => {
      const segments = voice(document, 0);
      expect(segments.slice(0, 3)).toEqual(unchanged(material));
      expect(segments).toHaveLength(4);
      expect(segments[3]?.[1]).toBeGreaterThanOrEqual(400);
      expect(segments[3]?.[2]).toBe(100);
    });
    // The copy is chosen: what follows is about it.
    await page.keyboard.press("Delete");
    await timeline.saved((document) => expect(voice(document, 0)).toEqual(unchanged(material)));
    await page.keyboard.press("Control+z");
    await page.keyboard.press("Control+z");
    await timeline.saved((document) => expect(voice(document, 0)).toEqual(unchanged(material)));
  });

  test("brings the copy to another voice track; Esc brings none", async ({ open: { timeline, material } }) => {
    const { page, point } = timeline;
    await page.keyboard.down("Alt");
    await timeline.drag(point(350, "voice1", 14), point(350, "voice2", 14));
    await page.keyboard.up("Alt");
    await timeline.saved((document) => {
      expect(voice(document, 0)).toEqual(unchanged(material));
      expect(voice(document, 1).map(([, start, duration]) => [start, duration])).toEqual([[300, 100]]);
    });
    await page.keyboard.down("Alt");
    await timeline.drag(point(50, "voice1", 14), point(250, "voice1", 14), false);
    await page.keyboard.press("Escape");
    await page.mouse.up();
    await page.keyboard.up("Alt");
    await page.keyboard.press("Control+z");
    await timeline.saved((document) => {
      expect(voice(document, 0)).toEqual(unchanged(material));
      expect(voice(document, 1)).toEqual([]);
    });
  });
});

describe("a locked track", () => {
  const lock = (page: Page, name: string) => page.getByRole("button", { name: `Lock ${name}`, exact: true });

  test("is not grasped, not chosen and not cut; the others are", async ({ open: { timeline, material } }) => {
    const { page, point } = timeline;
    await lock(page, "Voice 1").click();
    await timeline.drag(point(350, "voice1", 14), point(430, "voice1", 14));
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    await timeline.saved((document) => {
      expect([document.prompts, document.portraits]).toEqual([[], []]);
      expect(voice(document, 0)).toEqual(unchanged(material));
    });
    await page.keyboard.press("Control+z");
    await timeline.seek(350);
    await page.keyboard.press("s");
    await timeline.saved((document) => {
      expect(document.prompts).toHaveLength(3);
      expect(voice(document, 0)).toEqual(unchanged(material));
    });
  });

  test("is not moved by closing a gap elsewhere: the edit is refused in words, and goes through once it is unlocked", async ({ open: { timeline, material } }) => {
    const { page } = timeline;
    await lock(page, "Prompt").click();
    await timeline.click(50, "voice1");
    await page.keyboard.press("Shift+Delete");
    await page.getByText("This would change a locked track.").waitFor();
    await lock(page, "Prompt").click();
    await page.keyboard.press("Shift+Delete");
    await timeline.saved((document) => expect(document.prompts.map(({ start }) => start)).toEqual([0, 100]));
    await page.keyboard.press("Control+z");
    await timeline.saved((document) => expect(document.prompts).toEqual(material.document.prompts));
  });

  test("is locked and unlocked by its key, and stays locked when the page is loaded anew", async ({ open: { timeline } }) => {
    const { page } = timeline;
    await timeline.click(350, "voice1");
    await page.keyboard.press("Alt+l");
    await expect.poll(() => lock(page, "Voice 1").getAttribute("aria-pressed")).toBe("true");
    await page.reload();
    await expect.poll(() => lock(page, "Voice 1").getAttribute("aria-pressed")).toBe("true");
    expect(await lock(page, "Voice 2").getAttribute("aria-pressed")).toBe("false");
  });
});

test("a track's lower edge makes it higher by pointer and keys; Esc and a double click bring it back", async ({ open: { timeline, material } }) => {
  const { page, point } = timeline;
  const handle = page.getByRole("separator", { name: "Height of Voice 1" });
  const height = async (): Promise<number> => Number(await handle.getAttribute("aria-valuenow"));
  const usual = await height();
  const box = await handle.boundingBox();
  if (box === null) throw new Error("The handle is not on screen.");
  const edge = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  await timeline.drag(edge, { x: edge.x, y: edge.y + 40 });
  await expect.poll(height).toBe(usual + 40);
  await handle.press("ArrowDown");
  await handle.press("ArrowUp");
  await handle.press("ArrowUp");
  await expect.poll(height).toBe(usual + 36);
  // What lies below has moved with it, for the hand as well.
  const below = point(350, "voice1", 14);
  await timeline.drag(below, { x: below.x, y: below.y + 36 + (ROW.voice2 - ROW.voice1) });
  await timeline.saved((document) => expect(voice(document, 1).map(([id]) => id)).toEqual(["c"]));
  await page.keyboard.press("Control+z");
  await timeline.saved((document) => expect(voice(document, 0)).toEqual(voice(material.document, 0)));
  await timeline.drag({ x: edge.x, y: edge.y + 36 }, { x: edge.x, y: edge.y + 100 }, false);
  await expect.poll(height).toBe(usual + 100);
  await page.keyboard.press("Escape");
  await page.mouse.up();
  await expect.poll(height).toBe(usual + 36);
  await handle.dblclick();
  await expect.poll(height).toBe(usual);
});

test("rows that do not fit come into sight while something is dragged to the edge", async ({ studio, openPage }) => {
  const client = await connectTo(await studio.newLink());
  const material = await smallProject(client);
  const more = Array.from({ length: 6 }, (_, index) => ({ id: `more${String(index)}`, name: `Voice ${String(index + 3)}`, muted: false, gainDecibels: 0, segments: [] }));
  const opened = await client.rpc.projects.open({ kind: "id", projectId: material.projectId });
  await save(client, { ...material, revision: opened.revision }, { ...material.document, audioTracks: [...material.document.audioTracks, ...more] });
  const timeline = await openTimeline(openPage, client, material);
  const { page, point } = timeline;
  const scroller = page.locator("#timeline-tracks").locator("xpath=..");
  const frame = await scroller.boundingBox();
  if (frame === null) throw new Error("The timeline is not on screen.");
  const from = point(350, "voice1", 14);
  await timeline.drag(from, { x: from.x, y: frame.y + frame.height - 4 }, false);
  // It goes on as long as the pointer rests there, to the end.
  await expect.poll(() => scroller.evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop), { timeout: 20_000 }).toBeLessThan(1);
  // The last row is the video; the last voice track lies above it.
  await page.mouse.move(from.x, frame.y + frame.height - 90);
  await page.mouse.up();
  await timeline.saved((document) => {
    const moved = document.audioTracks.findIndex(({ segments }) => segments.some(({ id }) => id === "c"));
    expect(moved).toBe(7);
  });
  client.close();
});

describe("dragging from elsewhere", () => {
  /** The frame of what would be dropped, from its rectangle on the screen; null when none is shown. */
  const ghost = async (page: Page) => {
    const [shown] = await page.locator("#timeline-tracks [class*='_drop_']:not([hidden])").all();
    return shown === undefined ? null : shown.boundingBox();
  };

  test("a recording of the assets shows its length where it will lie, snaps, and lands there", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    // Twice as much as the timeline has: the whole recording will be in sight.
    await page.keyboard.press("-");
    await page.keyboard.press("-");
    await timeline.calibrate();
    await page.getByRole("tab", { name: "Voices" }).click();
    await page.getByTitle("speech.wav").hover();
    await page.mouse.down();
    const near = point(400 + 3 / timeline.pixelsPerFrame(), "voice2");
    await page.mouse.move(near.x - 30, near.y - 5, { steps: 4 });
    await page.mouse.move(near.x, near.y, { steps: 3 });
    await expect.poll(async () => (await ghost(page))?.x).toBeCloseTo(point(400, "voice2").x, -1);
    const box = await ghost(page);
    expect(box?.width).toBeCloseTo(600 * timeline.pixelsPerFrame(), -1);
    await page.mouse.up();
    await timeline.saved((document) => expect(voice(document, 1).map(([, start, duration]) => [start, duration])).toEqual([[400, 600]]));
    expect(await ghost(page)).toBeNull();
  });

  test("a picture goes to the portrait track wherever it is dropped; nothing goes to a locked one", async ({ open: { timeline, client, material } }) => {
    const { page, point } = timeline;
    const drop = async () => {
      await page.getByTitle("anna.png").hover();
      await page.mouse.down();
      const to = point(250, "voice2");
      await page.mouse.move(to.x - 10, to.y, { steps: 3 });
      await page.mouse.move(to.x, to.y, { steps: 2 });
    };
    await page.getByRole("button", { name: "Lock Portrait", exact: true }).click();
    await drop();
    expect(await ghost(page)).toBeNull();
    await page.mouse.up();
    await page.getByRole("button", { name: "Lock Portrait", exact: true }).click();
    await drop();
    await page.mouse.up();
    await timeline.saved((document) => {
      expect(document.portraits).toHaveLength(2);
      expect(Math.abs((document.portraits[1]?.start ?? 0) - 250)).toBeLessThanOrEqual(2);
    });
    const { audioTracks } = await documentOf(client, material.projectId);
    expect(audioTracks).toEqual(material.document.audioTracks);
  });

  test("a file of the desktop lands on the track and the frame it is dropped on", async ({ open: { timeline } }) => {
    const { page, point } = timeline;
    const folder = mkdtempSync(join(tmpdir(), "timeline-drop-"));
    try {
      const file = join(folder, "second.wav");
      writeFileSync(file, recording(2));
      const devtools = await page.context().newCDPSession(page);
      const send = (type: "dragEnter" | "dragOver" | "drop", { x, y }: { readonly x: number; readonly y: number }) =>
        devtools.send("Input.dispatchDragEvent", { type, x, y, data: { items: [], files: [file], dragOperationsMask: 1 } });
      const to = point(220, "voice2");
      await send("dragEnter", to);
      await send("dragOver", to);
      await expect.poll(async () => (await ghost(page))?.x).toBeCloseTo(to.x, -1);
      await send("drop", to);
      await timeline.saved((document) => {
        const [added] = document.audioTracks[1]?.segments ?? [];
        expect(added?.duration).toBe(50);
        expect(Math.abs((added?.start ?? 0) - 220)).toBeLessThanOrEqual(2);
        expect(document.media.map(({ name }) => name)).toContain("second.wav");
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
