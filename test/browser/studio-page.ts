import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { frameOfTimecode } from "../../electron/contract/time.ts";
import { changeSince, indexOfNearest, SMALL, type SmallPicture } from "../support/pictures.ts";

/** A render of a few clips, with other work on the machine. */
export const RENDER_MILLISECONDS = 150_000;

/** Opens the studio of a project in a page of the fixture. */
export async function showStudio(page: Page, projectId: string): Promise<void> {
  await page.goto(`${new URL(page.url()).origin}/#/studio/${projectId}`);
  await clipList(page).waitFor({ state: "attached" });
  await playerBar(page).getByRole("button", { name: "Play", exact: true }).waitFor();
}

/** The output lane as a screen reader hears it: the same that the canvas shows. */
const clipList = (page: Page): Locator => page.getByRole("listbox", { name: /^Video, segments: / });
const playerBar = (page: Page): Locator => page.getByRole("toolbar", { name: "Playback" });

/** State of each clip in words, such as `up to date`. */
export async function clipStates(page: Page): Promise<string[]> {
  const texts = await clipList(page).getByRole("option").allTextContents();
  return texts.map((text) => text.replace(/^Clip \d+, at [\d:]+, /, ""));
}

export async function untilClips(page: Page, states: readonly (string | RegExp)[]): Promise<void> {
  const wanted = states.map((state): unknown => (typeof state === "string" ? state : expect.stringMatching(state)));
  await expect.poll(() => clipStates(page), { timeout: RENDER_MILLISECONDS, interval: 200 }).toEqual(wanted);
}

export const FRESH = "up to date";

/** Waits until all of so many clips are there and nothing renders any more. */
export async function untilRendered(page: Page, clips: number): Promise<void> {
  await untilClips(page, Array.from({ length: clips }, () => FRESH));
  await page.getByRole("toolbar", { name: "Project" }).getByText(/^Rendering/).waitFor({ state: "detached", timeout: RENDER_MILLISECONDS });
}

/** Renders by the Render button: what is chosen there already, which is what changed. Answers the words about the clips. */
export async function renderWhatChanged(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Render", exact: true }).click();
  const panel = page.getByRole("dialog", { name: "Render" });
  const clips = panel.getByText(/^\d+ of \d+$/);
  await clips.waitFor();
  const words = await clips.textContent();
  await panel.getByRole("button", { name: "Render preview" }).click();
  await panel.waitFor({ state: "detached" });
  return words ?? "";
}

/** The moving picture of the player. */
export const video = (page: Page): Locator => page.getByLabel("Video", { exact: true }).and(page.locator("video"));

/** What the player's video shows now, small. */
export async function shownPicture(page: Page): Promise<SmallPicture> {
  const pixels = await video(page).evaluate((element: HTMLVideoElement, { width, height }) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("No canvas");
    context.imageSmoothingQuality = "high";
    context.drawImage(element, 0, 0, width, height);
    return [...context.getImageData(0, 0, width, height).data];
  }, SMALL);
  return Uint8Array.from(pixels.filter((_, index) => index % 4 !== 3));
}

/** Frame in the player's time field. */
export async function playerFrame(page: Page): Promise<number> {
  return frameOfTimecode(await playerBar(page).getByRole("textbox", { name: "Position" }).inputValue()) ?? -1;
}

export const playerButton = (page: Page, name: string): Locator => playerBar(page).getByRole("button", { name, exact: true });

/** Types a frame into the time field of the player. */
export async function goToFrame(page: Page, frame: number): Promise<void> {
  const field = playerBar(page).getByRole("textbox", { name: "Position" });
  await field.fill(timecodeOf(frame));
  await field.press("Enter");
}

/** As people write it: seconds and frames. */
function timecodeOf(frame: number): string {
  return `0:${String(Math.floor(frame / 25)).padStart(2, "0")}:${String(frame % 25).padStart(2, "0")}`;
}

/**
 * Tells which frame of a video the player shows, by its picture. `pictures` are those of the whole video, from another decoder;
 * what the two decoders make different of the first one is left out. The player goes to the first frame for it.
 */
export async function frameTeller(page: Page, pictures: readonly SmallPicture[]): Promise<() => Promise<number>> {
  await goToFrame(page, 0);
  await expect.poll(() => video(page).evaluate((element: HTMLVideoElement) => !element.seeking && element.currentTime < 1 / 25 && element.dataset.visible === "true"), { timeout: 20_000 }).toBe(true);
  const shownFirst = await shownPicture(page);
  const changes = pictures.map((picture) => changeSince(pictures[0] ?? picture, picture));
  return async () => indexOfNearest(changeSince(shownFirst, await shownPicture(page)), changes);
}

/** Cuts the only prompt at a frame and gives the second half another text, by keyboard. */
export async function changePromptFrom(page: Page, frame: number, text: string): Promise<void> {
  const prompts = page.getByRole("listbox", { name: /^Prompt, segments: / });
  await prompts.focus();
  await page.keyboard.press("ArrowDown");
  await goToFrame(page, frame);
  await page.keyboard.press("Control+b");
  await prompts.and(page.getByLabel(/segments: 2$/)).focus();
  await page.keyboard.press("End");
  // On a busy machine the inspector may still show the first half.
  await prompts.locator("[role=option][aria-posinset='2'][aria-selected=true]").waitFor({ state: "attached" });
  await page.getByRole("textbox", { name: "What is to be seen" }).fill(text);
  await page.keyboard.press("Escape");
}
