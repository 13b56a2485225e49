import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, describe, expect } from "vitest";
import { beginningOf, decodePictures, difference, distinctPictures, picturesOfTake, type SmallPicture } from "../support/pictures.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";
import { exampleFile } from "./small-video.ts";
import { FRESH, clipStates, frameTeller, goToFrame, playerButton, playerFrame, shownPicture, untilClips, untilRendered, video } from "./studio-page.ts";

/** Files of a newcomer: a portrait, and a recording of 72 frames, a long clip and a short one. */
const SECONDS = 2.88;
const FRAMES = 72;
const folder = mkdtempSync(join(tmpdir(), "avatar-studio-newcomer-"));
const portrait = join(folder, "me.png");
const voice = join(folder, "hello.wav");
writeFileSync(portrait, readFileSync(exampleFile("anna", "portrait.png")));
writeFileSync(voice, beginningOf(exampleFile("anna", "voice.wav"), SECONDS));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** From Home to a render under way, with files of one's own. `press` is a click or a key on an element. Answers how many choices were made. */
async function startOwnVideo(page: Page, press: (target: Locator) => Promise<void>): Promise<number> {
  let choices = 0;
  const choose = async (button: Locator, file: string) => {
    const opened = page.waitForEvent("filechooser");
    await press(button);
    await (await opened).setFiles(file);
    choices += 1;
  };
  const column = (name: string) => page.getByRole("region", { name, exact: true });
  await press(page.getByRole("button", { name: "New video", exact: true }));
  await choose(column("Portrait").getByRole("button", { name: "Choose a file…" }), portrait);
  await column("Portrait").getByRole("button", { name: "Another picture…" }).waitFor();
  await choose(column("Voice").getByRole("button", { name: "Choose a file…" }), voice);
  await column("Voice").getByRole("button", { name: "Another recording…" }).waitFor();
  await press(column("Prompt").getByRole("button", { name: "Examples" }));
  await press(page.getByRole("menuitem", { name: "Storyteller, cartoon" }));
  choices += 1;
  const start = page.getByRole("button", { name: /^Preview · about .+ · .+B$/ });
  await expect.poll(() => start.isEnabled(), { timeout: 60_000 }).toBe(true);
  await press(start);
  await page.waitForURL(/#\/studio\//);
  return choices;
}

/** The pictures of the only take of the project that is open, from disk. */
async function renderedPictures(client: StudioClient, page: Page): Promise<SmallPicture[]> {
  const projectId = new URL(page.url()).hash.split("/").at(-1) ?? "";
  const { folder: place, outputs } = await client.rpc.projects.open({ kind: "id", projectId });
  const [take] = outputs;
  if (take === undefined) throw new Error("Nothing is rendered.");
  return picturesOfTake(join(place, "renders", take.quality, take.takeId));
}

describe("a newcomer's first video", () => {
  test("takes three choices and at most ten clicks, plays while it renders, and is shown frame by frame", { timeout: 300_000 }, async ({ openPage, studio }) => {
    const page = await openPage();
    let clicks = 0;
    const choices = await startOwnVideo(page, async (target) => {
      await target.click();
      clicks += 1;
    });
    expect(choices).toBeLessThanOrEqual(3);
    expect(clicks).toBeLessThanOrEqual(10);

    // The first clip is there before the last one.
    await untilClips(page, [FRESH, /^(queued|rendering)/]);
    await expect.poll(() => video(page).getAttribute("data-visible")).toBe("true");
    await page.getByText("Preview quality", { exact: true }).waitFor();
    expect(await clipStates(page)).not.toEqual([FRESH, FRESH]);
    await untilRendered(page, 2);

    const client = await connectTo(await studio.newLink());
    const pictures = await renderedPictures(client, page);
    client.close();
    expect(pictures).toHaveLength(FRAMES);

    await playsWithSound(page);
    await stepsAndScrubs(page, pictures);
    await loops(page);
  });

  test("goes by keyboard alone, up to playing it", { timeout: 300_000 }, async ({ openPage }) => {
    const page = await openPage();
    await startOwnVideo(page, async (target) => {
      await target.waitFor();
      // Tab goes through the page, arrows through a menu.
      const key = (await target.getAttribute("role")) === "menuitem" ? "ArrowDown" : "Tab";
      for (let presses = 0; !(await target.evaluate((element) => element === document.activeElement)); presses += 1) {
        if (presses > 80) throw new Error(`The keyboard does not reach ${target.toString()}`);
        await page.keyboard.press(key);
      }
      await page.keyboard.press("Enter");
    });
    await untilRendered(page, 2);

    await page.keyboard.press("Space");
    await expect.poll(() => video(page).evaluate((element: HTMLVideoElement) => element.currentTime), { timeout: 20_000 }).toBeGreaterThan(0.5);
    await page.keyboard.press("Space");
    await expect.poll(() => video(page).evaluate((element: HTMLVideoElement) => element.paused)).toBe(true);
    const before = await playerFrame(page);
    await page.keyboard.press("ArrowLeft");
    expect(await playerFrame(page)).toBe(before - 1);
    await page.keyboard.press("Home");
    expect(await playerFrame(page)).toBe(0);
  });
});

/** Moving pictures that resemble the portrait, and a voice, out of the same element. */
async function playsWithSound(page: Page): Promise<void> {
  await goToFrame(page, 0);
  const still = await shownPicture(page);
  const listening = loudestSound(page);
  await playerButton(page, "Play").click();
  const time = () => video(page).evaluate((element: HTMLVideoElement) => element.currentTime);
  await expect.poll(time, { timeout: 20_000, interval: 20 }).toBeGreaterThan(0.4);
  const early = await shownPicture(page);
  await expect.poll(time, { timeout: 20_000, interval: 20 }).toBeGreaterThan(1.4);
  const late = await shownPicture(page);
  // It ends at the end, by itself.
  await playerButton(page, "Play").waitFor({ timeout: 20_000 });
  expect(await playerFrame(page)).toBe(FRAMES - 1);
  for (const [one, other] of [[still, early], [early, late], [still, late]] as const) expect(difference(one, other)).toBeGreaterThan(0.7);
  const [own, ...others] = [portrait, exampleFile("ben", "portrait.png"), exampleFile("mei", "portrait.png")].map((file) => decodePictures(file)[0]);
  for (const picture of [still, early, late]) {
    for (const other of others) expect(difference(picture, own ?? picture)).toBeLessThan(difference(picture, other ?? picture) / 2);
  }
  expect(await listening).toBeGreaterThan(0.05);
}

/** Peak of what comes out of the video element until it ends, 0 to 1. */
function loudestSound(page: Page): Promise<number> {
  return video(page).evaluate(async (element: HTMLVideoElement & { captureStream?: () => MediaStream }) => {
    const stream = element.captureStream?.();
    if (stream === undefined) throw new Error("No stream");
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    let joined = false;
    const values = new Float32Array(analyser.fftSize);
    let loudest = 0;
    await new Promise<void>((resolve) => {
      const listen = () => {
        if (!joined && stream.getAudioTracks().length > 0) {
          context.createMediaStreamSource(stream).connect(analyser);
          joined = true;
        }
        analyser.getFloatTimeDomainData(values);
        loudest = Math.max(loudest, ...values.map(Math.abs));
        if (element.currentTime > 2.5) resolve();
        else requestAnimationFrame(listen);
      };
      listen();
    });
    await context.close();
    return loudest;
  });
}

async function stepsAndScrubs(page: Page, pictures: readonly SmallPicture[]): Promise<void> {
  // Frames that look like no other, away from the ends.
  const [frame] = distinctPictures(pictures).filter((index) => index > 5 && index < FRAMES - 5);
  if (frame === undefined) throw new Error("All pictures are alike.");
  const shownFrame = await frameTeller(page, pictures);
  const untilShown = (wanted: number) => expect.poll(shownFrame, { timeout: 20_000 }).toBe(wanted);
  await goToFrame(page, frame - 1);
  await playerButton(page, "One frame forward").click();
  expect(await playerFrame(page)).toBe(frame);
  await untilShown(frame);
  await playerButton(page, "One frame forward").click();
  await playerButton(page, "One frame back").click();
  await untilShown(frame);

  await page.keyboard.press("Shift+Z");
  const box = await page.locator("#timeline-tracks").boundingBox();
  if (box === null) throw new Error("There is no timeline.");
  const across = (share: number) => [box.x + box.width * share, box.y + 8] as const;
  // The ruler shows ten seconds at least.
  await page.mouse.move(...across(0.08));
  await page.mouse.down();
  const first = await playerFrame(page);
  await page.mouse.move(...across(0.22), { steps: 5 });
  const second = await playerFrame(page);
  expect(second).toBeGreaterThan(first + 10);
  await untilShown(second);
  await page.mouse.up();
  expect(await playerFrame(page)).toBe(second);

  // Also the last one, behind which nothing comes.
  await playerButton(page, "To the end").click();
  await untilShown(FRAMES - 1);
}

/** Plays between the in and out points, over and over. */
async function loops(page: Page): Promise<void> {
  await goToFrame(page, 20);
  await page.keyboard.press("i");
  await goToFrame(page, 40);
  await page.keyboard.press("o");
  await playerButton(page, "Loop the range").click();
  await playerButton(page, "Play").click();
  const turns = await video(page).evaluate(
    (element: HTMLVideoElement) =>
      new Promise<number[]>((resolve) => {
        const found: number[] = [];
        let last = element.currentTime;
        const look = () => {
          const now = element.currentTime;
          if (now < last - 0.2) found.push(now);
          last = now;
          if (found.length >= 2) resolve(found);
          else requestAnimationFrame(look);
        };
        look();
      }),
  );
  await playerButton(page, "Pause").click();
  for (const turn of turns) expect(Math.floor(turn * 25 + 0.01)).toBeGreaterThanOrEqual(20);
  expect(await playerFrame(page)).toBeGreaterThanOrEqual(20);
  expect(await playerFrame(page)).toBeLessThanOrEqual(41);
  await playerButton(page, "Loop the range").click();
}
