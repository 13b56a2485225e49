/**
 * The timeline at scale, in a real Chromium against the real server: one hour of sound, 1,875 clips, 200 prompts. Prints the
 * main thread's work per frame from the browser's own trace while zooming, scrolling, dragging and scrubbing, the page's
 * memory, and how long the waveform of an hour takes to appear. Ends with status 1 when a bar is missed.
 *
 * Work is the thread's own time, so that other programs on the machine do not count. Headless Chromium has no GPU and draws
 * in software: the commit of each frame, where that happens, is listed and left out.
 */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { openWatchedPage, startBrowser } from "../support/browser.ts";
import { startStudio } from "../support/studio.ts";
import { connectTo } from "../support/studio-client.ts";
import { hourProject } from "../browser/timeline-project.ts";
import { type FrameWork, traceFrames } from "./trace-frames.ts";

const BARS = { p95Milliseconds: 8, longestMilliseconds: 50, memoryMegabytes: 300, waveformSeconds: 2 } as const;
/** Pointer or wheel events of each act. */
const STEPS = 90;

interface Tracks {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** Frame in the middle of a piece of sound on the first voice track, in the middle of the hour. */
const GRASPED_FRAME = 45_110;
const HOUR_FRAMES = 90_000;
/** Margin on both sides when everything is shown. */
const FIT_MARGIN = 24;
const VOICE_Y = 150;

/** Shows everything and brings the pointer to the piece of sound in the middle. */
async function graspMiddle(page: Page, { x, y, width }: Tracks): Promise<{ readonly x: number; readonly y: number }> {
  await page.keyboard.press("Escape");
  await page.keyboard.press("Shift+Z");
  const at = { x: x + FIT_MARGIN + (GRASPED_FRAME / HOUR_FRAMES) * (width - 2 * FIT_MARGIN), y: y + VOICE_Y };
  await page.mouse.move(at.x, at.y);
  return at;
}

async function zoomIn(page: Page, turns: number): Promise<void> {
  await page.keyboard.down("Control");
  for (let turn = 0; turn < turns; turn += 1) await page.mouse.wheel(0, -120);
  await page.keyboard.up("Control");
}

async function dragAbout(page: Page, from: { readonly x: number; readonly y: number }): Promise<void> {
  await page.mouse.down();
  for (let step = 0; step < STEPS; step += 1) await page.mouse.move(from.x + (step % 60) * 5 - 100, from.y);
  await page.keyboard.press("Escape");
  await page.mouse.up();
}

/** Each step is one pointer or wheel event; the browser takes the next one when the page has dealt with it, once a frame. */
const ACTS: readonly { readonly name: string; readonly run: (page: Page, tracks: Tracks) => Promise<void> }[] = [
  {
    name: "zoom",
    run: async (page, tracks) => {
      await graspMiddle(page, tracks);
      await page.keyboard.down("Control");
      for (let step = 0; step < STEPS; step += 1) await page.mouse.wheel(0, step < STEPS / 2 ? -60 : 60);
      await page.keyboard.up("Control");
    },
  },
  {
    name: "scroll",
    run: async (page, tracks) => {
      await graspMiddle(page, tracks);
      await zoomIn(page, 12);
      for (let step = 0; step < STEPS; step += 1) await page.mouse.wheel(90, 0);
    },
  },
  {
    name: "drag one",
    run: async (page, tracks) => {
      const at = await graspMiddle(page, tracks);
      await zoomIn(page, 12);
      await dragAbout(page, at);
    },
  },
  {
    name: "drag all 612",
    run: async (page, tracks) => {
      const at = await graspMiddle(page, tracks);
      await page.keyboard.press("Control+a");
      await dragAbout(page, at);
    },
  },
  {
    name: "marquee",
    run: async (page, tracks) => {
      await graspMiddle(page, tracks);
      const from = { x: tracks.x + tracks.width - 10, y: tracks.y + VOICE_Y };
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      for (let step = 0; step < STEPS; step += 1) await page.mouse.move(from.x - step * 12, from.y + 60);
      await page.mouse.up();
    },
  },
  {
    name: "scrub",
    run: async (page, tracks) => {
      const { x, y, width } = tracks;
      await graspMiddle(page, tracks);
      await page.mouse.move(x + 100, y + 8);
      await page.mouse.down();
      for (let step = 0; step < STEPS; step += 1) await page.mouse.move(x + 100 + ((width - 200) * step) / STEPS, y + 8);
      await page.mouse.up();
    },
  },
];

/** Memory that the largest of the browser's page processes has for itself; Linux tells. */
async function pageProcessMegabytes(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const kilobytes = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(id)}/status`, "utf8"))?.[1] ?? 0));
  return Math.max(...kilobytes) / 1_024;
}

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;

function report(name: string, frames: readonly FrameWork[]): { readonly p95: number; readonly longest: number } {
  // As many frames as there were steps, the busiest ones: the rest only waited.
  const busiest = [...frames].sort((a, b) => a.script - b.script).slice(-STEPS);
  const work = busiest.map((frame) => frame.script);
  const rendering = busiest.map((frame) => frame.rendering).sort((a, b) => a - b);
  const [p95, longest] = [quantile(work, 0.95), work.at(-1) ?? 0];
  console.log(`${name.padEnd(20)} ${String(busiest.length).padStart(4)} frames   median ${milliseconds(quantile(work, 0.5)).padStart(8)}   p95 ${milliseconds(p95).padStart(8)}   longest ${milliseconds(longest).padStart(8)}   (software rendering besides: p95 ${milliseconds(quantile(rendering, 0.95))})`);
  return { p95, longest };
}

const studio = await startStudio();
const browser = await startBrowser({ flags: ["--enable-precise-memory-info"] });
const missed: string[] = [];
try {
  const client = await connectTo(studio.link);
  const { projectId } = await hourProject(client);
  const { page, context } = await openWatchedPage(browser, await studio.newLink(), { viewport: { width: 1920, height: 1080 }, reducedMotion: "no-preference" });
  const peaks = page.waitForResponse((response) => response.url().includes("/peaks/") && response.ok());
  const started = performance.now();
  await page.goto(`${new URL(page.url()).origin}/#/studio/${projectId}`);
  await (await peaks).finished();
  const waveformSeconds = (performance.now() - started) / 1_000;
  const tracks = page.locator("#timeline-tracks");
  await tracks.locator("canvas").first().waitFor();
  const box = await tracks.boundingBox();
  if (box === null) throw new Error("The timeline is not on screen.");
  await page.waitForLoadState("networkidle");
  const devtools = await context.newCDPSession(page);

  for (const act of ACTS) {
    const frames = await traceFrames(browser, page, () => act.run(page, box));
    const { p95, longest } = report(act.name, frames);
    if (p95 >= BARS.p95Milliseconds) missed.push(`${act.name}: p95 ${milliseconds(p95)}`);
    if (longest > BARS.longestMilliseconds) missed.push(`${act.name}: longest ${milliseconds(longest)}`);
  }

  const processMegabytes = await pageProcessMegabytes(browser);
  await devtools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  const heapMegabytes = usedSize / 1024 ** 2;
  console.log(`memory               ${processMegabytes.toFixed(0)} MB of the page's process, ${heapMegabytes.toFixed(0)} MB of them JavaScript in use`);
  console.log(`waveform of an hour  ${waveformSeconds.toFixed(2)} s after opening the project`);
  if (processMegabytes > BARS.memoryMegabytes) missed.push(`memory: ${processMegabytes.toFixed(0)} MB`);
  if (waveformSeconds > BARS.waveformSeconds) missed.push(`waveform: ${waveformSeconds.toFixed(2)} s`);
  client.close();
} finally {
  await browser.close();
  await studio.stop();
}
console.log(missed.length === 0 ? "All bars are met." : `Missed: ${missed.join("; ")}`);
process.exitCode = missed.length === 0 ? 0 : 1;
