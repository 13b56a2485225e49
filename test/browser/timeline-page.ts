import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { frameOfTimecode } from "../../electron/contract/time.ts";
import type { PageOptions } from "../support/browser.ts";
import type { StudioClient } from "../support/studio-client.ts";
import { documentOf, type Material } from "./timeline-project.ts";

/** Pixels from the top of the tracks to the middle of each row of the small project; fixed heights of the design. */
export const ROW = { ruler: 8, markers: 24, portrait: 52, prompt: 90, voice1: 137, voice2: 196, video: 253 } as const;

/** The open timeline of one project, worked with pointer and keys. What comes of it is asked from the server. */
export interface TimelinePage {
  readonly page: Page;
  /** A point of the screen. `row` is the middle of a row, `dy` pixels off it. */
  readonly point: (frame: number, row: keyof typeof ROW, dy?: number) => { readonly x: number; readonly y: number };
  /** Drags in small steps and lets go, unless `release` is false. */
  readonly drag: (from: { readonly x: number; readonly y: number }, to: { readonly x: number; readonly y: number }, release?: boolean) => Promise<void>;
  readonly click: (frame: number, row: keyof typeof ROW, modifiers?: readonly ("Control" | "Shift")[]) => Promise<void>;
  /** Puts the playhead on a frame by its time code field. */
  readonly seek: (frame: number) => Promise<void>;
  readonly playhead: () => Promise<number>;
  /** Measures the scale anew, after zooming or scrolling. */
  readonly calibrate: () => Promise<void>;
  readonly pixelsPerFrame: () => number;
  /** Waits until the server's document satisfies `check`, a function that throws. */
  readonly saved: (check: (document: ProjectDocument) => void) => Promise<void>;
}

/** Opens the studio on a project. The page is one of `openPage` of the fixture. */
export async function openTimeline(openPage: (options?: PageOptions) => Promise<Page>, client: StudioClient, { projectId }: Material, options: PageOptions = {}): Promise<TimelinePage> {
  const page = await openPage({ viewport: { width: 1280, height: 900 }, ...options });
  await page.goto(`${new URL(page.url()).origin}/#/studio/${projectId}`);
  const tracks = page.locator("#timeline-tracks");
  await tracks.locator("canvas").first().waitFor();
  const field = page.getByLabel(/^(Time of the playhead|播放头时间)$/);
  const playhead = async (): Promise<number> => frameOfTimecode(await field.inputValue()) ?? -1;

  let box = { x: 0, y: 0, width: 0 };
  let scale = { frameAtLeft: 0, pixelsPerFrame: 1 };
  /** A press on the ruler brings the playhead to the frame under it: two presses tell the scale. */
  const calibrate = async (): Promise<void> => {
    const found = await tracks.boundingBox();
    if (found === null) throw new Error("The tracks are not on screen.");
    box = found;
    const [left, right] = [40, box.width - 40];
    const frameAt = async (x: number): Promise<number> => {
      await page.mouse.click(box.x + x, box.y + ROW.ruler);
      return playhead();
    };
    const [first, last] = [await frameAt(left), await frameAt(right)];
    const pixelsPerFrame = (right - left) / (last - first);
    scale = { frameAtLeft: first + 0.5 - left / pixelsPerFrame, pixelsPerFrame };
  };
  await calibrate();

  const timeline: TimelinePage = {
    page,
    point: (frame, row, dy = 0) => ({ x: box.x + (frame - scale.frameAtLeft) * scale.pixelsPerFrame, y: box.y + ROW[row] + dy }),
    drag: async (from, to, release = true) => {
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(to.x, to.y, { steps: 8 });
      if (release) await page.mouse.up();
    },
    click: async (frame, row, modifiers = []) => {
      const { x, y } = timeline.point(frame, row);
      for (const key of modifiers) await page.keyboard.down(key);
      await page.mouse.click(x, y);
      for (const key of modifiers) await page.keyboard.up(key);
    },
    seek: async (frame) => {
      await field.fill(`${String(Math.floor(frame / 1_500))}:${String(Math.floor(frame / 25) % 60).padStart(2, "0")}:${String(frame % 25).padStart(2, "0")}`);
      await field.press("Enter");
    },
    playhead,
    calibrate,
    pixelsPerFrame: () => scale.pixelsPerFrame,
    saved: (check) =>
      expect
        .poll(
          async () => {
            const document = await documentOf(client, projectId);
            try {
              check(document);
              return "as expected";
            } catch (error) {
              return error instanceof Error ? error.message : String(error);
            }
          },
          { timeout: 10_000, interval: 50 },
        )
        .toBe("as expected"),
  };
  return timeline;
}

/** Start, length and id of the segments of a voice track, in order. */
export function voice(document: ProjectDocument, track: number): readonly (readonly [string, number, number])[] {
  return (document.audioTracks[track]?.segments ?? []).map(({ id, start, duration }) => [id, start, duration] as const);
}
