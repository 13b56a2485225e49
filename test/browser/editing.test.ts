import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { brightness, decodePictures, difference } from "../support/pictures.ts";
import { exportFile } from "./export-file.ts";
import { CLIPS, newestJob, test, untilJob } from "./rendered-studio.ts";
import { CLIP, EVENING, exampleFile } from "./small-video.ts";
import { changePromptFrom, FRESH, goToFrame, renderWhatChanged, untilClips, untilRendered } from "./studio-page.ts";

const ALL_FRESH = [FRESH, FRESH, FRESH, FRESH];
const HALF = (CLIPS * CLIP) / 2;

/** The segments of a track, as a list that the keyboard chooses from. */
const segments = (page: Page, track: string) => page.getByRole("listbox", { name: new RegExp(`^${track}, segments: `) });

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("editing a finished video", () => {
  test("splitting, undo and redo leave every clip up to date", async ({ openCopy }) => {
    const { page, document } = await openCopy();
    await untilClips(page, ALL_FRESH);
    await goToFrame(page, HALF + 5);
    const splits = (count: number) => expect.poll(async () => (await document()).prompts.length).toBe(count);
    await page.keyboard.press("s");
    await splits(2);
    await untilClips(page, ALL_FRESH);
    await page.keyboard.press("Control+z");
    await splits(1);
    await untilClips(page, ALL_FRESH);
    await page.keyboard.press("Control+Shift+z");
    await splits(2);
    await untilClips(page, ALL_FRESH);
    // Nothing to render.
    await page.getByRole("button", { name: "Render", exact: true }).click();
    await page.getByText("Everything is up to date.").waitFor();
    expect(await page.getByRole("button", { name: "Render preview" }).isEnabled()).toBe(false);
  });

  test("another prompt for the second half: only that half is rendered again, and it becomes evening there", async ({ openCopy, rendered: { client } }) => {
    const { page, projectId } = await openCopy();
    await changePromptFrom(page, HALF, EVENING);

    // Exactly what it touches is out of date, and says why.
    await untilClips(page, [FRESH, FRESH, "out of date. Out of date because of: another prompt", "out of date. Out of date because of: another prompt, clip 3 before it, which it continues"]);
    await segments(page, "Video").focus();
    await page.keyboard.press("End");
    await page.getByRole("listitem").filter({ hasText: "another prompt" }).waitFor();

    expect(await renderWhatChanged(page)).toBe("2 of 4");
    await untilRendered(page, CLIPS);
    const job = await newestJob(client, projectId);
    expect(await untilJob(client, job.id, "finished")).toMatchObject({ clipsTotal: 4, clipsDone: 4, clipsReused: 2 });

    const { path } = await exportFile(page, "MP4 video");
    const pictures = decodePictures(path);
    expect(pictures).toHaveLength(CLIPS * CLIP);
    const lightOf = (start: number, end: number): number => mean(pictures.slice(start, end).map(brightness));
    // The first half is as bright as it was; the light of the second one takes a block to change.
    expect(Math.abs(lightOf(0, 24) - lightOf(24, HALF))).toBeLessThan(10);
    expect(lightOf(CLIPS * CLIP - 24, CLIPS * CLIP)).toBeLessThan(lightOf(0, HALF) - 25);
  });

  test("another portrait in the middle is a cut", async ({ openCopy }) => {
    const { page } = await openCopy();
    const chosen = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Import" }).click();
    await (await chosen).setFiles(exampleFile("ben", "portrait.png"));
    await goToFrame(page, HALF);
    await page.getByRole("button", { name: "Put portrait.png on the timeline" }).click();
    // The voice is heard as a whole: cut short, it is another one for the clips before the cut as well.
    await untilClips(page, ["out of date. Out of date because of: other sound", "out of date. Out of date because of: other sound, clip 1 before it, which it continues", "not rendered", "not rendered"]);
    expect(await renderWhatChanged(page)).toBe("4 of 4");
    await untilRendered(page, CLIPS);

    const { path } = await exportFile(page, "MP4 video");
    const pictures = decodePictures(path);
    const steps = pictures.slice(1).map((picture, index) => difference(picture, pictures[index] ?? picture));
    const cut = steps[HALF - 1] ?? 0;
    // One step is a cut, and no other is anything like it.
    expect(cut).toBeGreaterThan(15);
    expect(Math.max(...steps.filter((_, index) => index !== HALF - 1))).toBeLessThan(cut / 2);
    const [anna, ben] = [decodePictures(exampleFile("anna", "portrait.png"))[0], decodePictures(exampleFile("ben", "portrait.png"))[0]];
    for (const [index, picture] of pictures.entries()) {
      const [own, other] = index < HALF ? [anna, ben] : [ben, anna];
      expect(difference(picture, own ?? picture)).toBeLessThan(difference(picture, other ?? picture));
    }
  });
});
