import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, describe, expect } from "vitest";
import { beginningOf, difference, distinctPictures, indexOfNearest, picturesOfTake, type SmallPicture } from "../support/pictures.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";
import { exampleFile } from "./small-video.ts";
import { FRESH, clipStates, goToFrame, playerButton, playerFrame, shownPicture, untilClips, untilRendered, video } from "./studio-page.ts";

/** Files of a newcomer: a portrait, and a recording of 72 frames, a long clip and a short one. */
const SECONDS = 2.88;
const FRAMES = 72;
const folder = mkdtempSync(join(tmpdir(), "avatar-studio-newcomer-"));
const portrait = join(folder, "me.png");
const voice = join(folder, "hello.wav");
writeFileSync(portrait, readFileSync(exampleFile("anna", "portrait.png")));
writeFileSync(voice, beginningOf(exampleFile("anna", "voice.wav"), SECONDS));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a hand does, counted. */
interface Hands {
  readonly count: () => number;
  /** Presses what has the focus, or clicks it. */
  readonly press: (target: Locator) => Promise<void>;
}

/** From Home to a render under way, with files of one's own. Answers how many choices were made. */
async function startOwnVideo(page: Page, hands: Hands): Promise<number> {
  let choices = 0;
  const choose = async (button: Locator, file: string) => {
    const opened = page.waitForEvent("filechooser");
    await hands.press(button);
    await (await opened).setFiles(file);
    choices += 1;
  };
  const column = (name: string) => page.getByRole("region", { name, exact: true });
  await hands.press(page.getByRole("button", { name: "New video" }));
  await choose(column("Portrait").getByRole("button", { name: "Choose a file…" }), portrait);
  await column("Portrait").getByRole("button", { name: "Another picture…" }).waitFor();
  await choose(column("Voice").getByRole("button", { name: "Choose a file…" }), voice);
  await column("Voice").getByRole("button", { name: "Another recording…" }).waitFor();
  await hands.press(column("Prompt").getByRole("button", { name: "Examples" }));
  await hands.press(page.getByRole("menuitem", { name: "Storyteller, cartoon" }));
  choices += 1;
  const start = page.getByRole("button", { name: /^Preview · about .+ · .+B$/ });
  await expect.poll(() => start.isEnabled(), { timeout: 60_000 }).toBe(true);
  await hands.press(start);
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

/** Waits until the player shows one frame and no other. */
const untilShown = (page: Page, frame: number, pictures: readonly SmallPicture[]) =>
  expect.poll(async () => indexOfNearest(await shownPicture(page), pictures), { timeout: 15_000 }).toBe(frame);

describe("a newcomer's first video", () => {
  test("takes three choices and at most ten clicks, plays while it renders, and is shown frame by frame", { timeout: 300_000 }, async ({ openPage, studio }) => {
    const page = await openPage();
    let clicks = 0;
    const choices = await startOwnVideo(page, {
      count: () => clicks,
      press: async (target) => {
        await target.click();
        clicks += 1;
      },
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
    await page.getByRole("button", { name: "New video" }).waitFor();
    let keys = 0;
    const tab = async () => {
      await page.keyboard.press("Tab");
      keys += 1;
    };
    const press = async (target: Locator) => {
      const hasFocus = () => target.evaluate((element) => element === document.activeElement);
      await target.waitFor();
      // In a menu the arrows move.
      const inMenu = (await target.getAttribute("role")) === "menuitem";
      for (let tries = 0; !(await hasFocus()); tries += 1) {
        if (tries > 60) throw new Error(`The keyboard does not reach ${target.toString()}`);
        if (inMenu) await page.keyboard.press("ArrowDown");
        else await tab();
      }
      await page.keyboard.press("Enter");
      keys += 1;
    };
    await startOwnVideo(page, { count: () => keys, press });
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
  console.log("DIFF", difference(still, early), difference(early, late), difference(still, late), await listening);
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
  await goToFrame(page, frame - 1);
  await playerButton(page, "One frame forward").click();
  expect(await playerFrame(page)).toBe(frame);
  await untilShown(page, frame, pictures);
  await playerButton(page, "One frame forward").click();
  await playerButton(page, "One frame back").click();
  await untilShown(page, frame, pictures);

  await page.keyboard.press("Shift+Z");
  const box = await page.locator("#timeline-tracks").boundingBox();
  if (box === null) throw new Error("There is no timeline.");
  const across = (share: number) => [box.x + box.width * share, box.y + 8] as const;
  await page.mouse.move(...across(0.2));
  await page.mouse.down();
  const first = await playerFrame(page);
  await page.mouse.move(...across(0.5), { steps: 5 });
  const second = await playerFrame(page);
  expect(second).toBeGreaterThan(first + 10);
  await expect.poll(async () => Math.abs(indexOfNearest(await shownPicture(page), pictures) - second), { timeout: 15_000 }).toBeLessThanOrEqual(1);
  await page.mouse.up();
  expect(await playerFrame(page)).toBe(second);
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
