import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser } from "playwright-core";
import { openWatchedPage, startBrowser } from "../support/browser.ts";
import { type Studio, startStudio } from "../support/studio.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { REQUESTS, machineWithTwoCards } from "../support/two-cards.ts";

/** A studio on a machine with two cards, whose engine says what was recorded of one, rendering. */
let folder: string;
let studio: Studio;
let client: StudioClient;
let browser: Browser;
let projectId: string;
let jobId: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-cards-"));
  [studio, browser] = await Promise.all([startStudio({ environment: machineWithTwoCards(folder) }), startBrowser()]);
  client = await connectTo(studio.link);
  ({ projectId } = await client.rpc.projects.create({ name: "Two cards", example: "anna" }));
  ({ jobId } = await client.rpc.jobs.render({ projectId, quality: "final", scope: { kind: "all" } }));
});
afterAll(async () => {
  client.close();
  await browser.close();
  await studio.stop();
  rmSync(folder, { recursive: true });
});

test("the set-up page says of each card what it holds and which part of the model it computes", async () => {
  const { page, context, errors } = await openWatchedPage(browser, await studio.newLink());
  await page.goto(`${studio.origin}/#/setup`);
  const machine = page.getByRole("region", { name: "Machine" });
  const rows = machine.getByRole("listitem");
  await machine.getByText("Rank 1").waitFor();
  const [first, second] = await rows.allTextContents();
  for (const [row, words] of [[first, ["0: NVIDIA GeForce RTX 4090", "21.5 GB of 25.8 GB used", "97% busy", "Working", "Rank 0", "layers 1–20 of 40", "all 4 steps", "25.4 frames/s", "engine holds 19.2 GB"]], [second, ["93% busy", "Rank 1", "layers 21–40 of 40", "25.2 frames/s", "engine holds 15 GB"]]] as const) {
    for (const word of words) expect(row).toContain(word);
  }
  expect(errors).toEqual([]);
  await context.close();
});

test("what the engine warns about stands on the job while it renders, in the user's language, and is read out politely", async () => {
  await client.rpc.settings.change({ language: "zh" });
  const { page, context, errors } = await openWatchedPage(browser, await studio.newLink(), { locale: "zh-CN" });
  await page.goto(`${studio.origin}/#/queue`);
  await page.locator("html[lang=zh]").waitFor();
  const warnings = page.locator("[aria-live=polite]").getByRole("listitem");
  await expect.poll(() => warnings.allTextContents()).toEqual(["显存不足，已改用占用更少的计算方式继续，画面不变。", "显卡的视频编码器不可用，改由处理器压缩视频。", expect.stringMatching(/^大约需要 [\d.]+ GB 磁盘空间，可用 1 GB。/)]);
  const { text } = await client.rpc.jobs.log({ jobId });
  for (const code of ["MEMORY_STEPPED_DOWN", "ENCODER_FALLBACK", "DISK_TOO_SMALL"]) expect(text.split(code)).toHaveLength(2);
  expect(errors).toEqual([]);
  await context.close();
});

test("a plan and the ways that were not taken are Chinese, with their figures", async () => {
  const { page, context } = await openWatchedPage(browser, await studio.newLink(), { locale: "zh-CN" });
  await page.goto(`${studio.origin}/#/studio/${projectId}`);
  await page.locator("[role=menubar] > :nth-child(7)").waitFor();
  await page.keyboard.press("Control+Shift+Enter");
  const plan = page.getByRole("dialog").locator("details");
  await plan.locator("summary").click();
  const words = (await plan.textContent()) ?? "";
  expect(words).toContain("40 层中有 7 层从内存传输");
  expect(words).toMatch(/生成画面时还差 \d+(\.\d)? GB 显存/);
  expect(words.replaceAll(/NVIDIA GeForce RTX|float8|int8|CUDA|GB/g, "")).not.toMatch(/[a-z]{3}/i);
  await context.close();
});

test("the planner may use both cards, unless the user says otherwise", async () => {
  const cardsOffered = (): unknown[] =>
    readFileSync(join(folder, REQUESTS), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { type: string; compute?: { most_ranks?: number } })
      .filter(({ type }) => type === "plan")
      .map(({ compute }) => compute?.most_ranks);
  expect(new Set(cardsOffered())).toEqual(new Set([2]));
  await client.rpc.settings.change({ language: "en" });
  const { page, context } = await openWatchedPage(browser, await studio.newLink());
  await page.goto(`${studio.origin}/#/setup`);
  const machine = page.getByRole("region", { name: "Machine" });
  await machine.getByText("As many of the 2 cards as make it sooner compute a part of every picture.").waitFor();
  await machine.getByRole("switch", { name: "The cards work on one video together" }).click();
  await machine.getByText("Only the first ticked card renders (0: NVIDIA GeForce RTX 4090).").waitFor();
  // The presets on the same page are planned anew by themselves.
  await expect.poll(() => cardsOffered().at(-1)).toBeUndefined();
  await context.close();
});
