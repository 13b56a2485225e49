/**
 * The timeline at scale, in a real Chromium against the real server: one hour of sound, 1,875 clips, 200 prompts. Prints the
 * main thread's work per frame from the browser's own trace while zooming, scrolling, dragging and scrubbing, the page's
 * memory, and how long the waveform of an hour takes to appear. Ends with status 1 when a bar is missed.
 *
 * Work is the thread's own time, so that other programs on the machine do not count. Headless Chromium has no GPU and draws
 * in software: the commit of each frame, where that happens, is listed and left out.
 */
import { readFileSync } from "node:fs";
import type { Browser, CDPSession, Page } from "playwright-core";
import { openWatchedPage, startBrowser } from "../support/browser.ts";
import { startStudio } from "../support/studio.ts";
import { connectTo } from "../support/studio-client.ts";
import { hourProject } from "../browser/timeline-project.ts";
import { type FrameWork, traceFrames } from "./trace-frames.ts";

const BARS = { p95Milliseconds: 8, longestMilliseconds: 50, memoryMegabytes: 300, waveformSeconds: 2 } as const;
/** Pointer or wheel events of each act. */
const STEPS = 90;
/** Longer than anything in the page waits before it follows: lists, thumbnails, tooltips. */
const REST_MILLISECONDS = 600;

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Tracks extends Place {
  readonly width: number;
}

/** Frame in the middle of a piece of sound on the first voice track, in the middle of the hour. */
const GRASPED_FRAME = 45_110;
const HOUR_FRAMES = 90_000;
/** Margin on both sides when everything is shown. */
const FIT_MARGIN = 24;
const VOICE_Y = 150;

/**
 * The hand on mouse and wheel, by the browser's own protocol. Playwright's would run scripts of its own in the page with every move
 * of a drag, and they would be counted as the page's work. Each event resolves when the page has dealt with it.
 */
class Hand {
  readonly #devtools: CDPSession;
  #at = { x: 0, y: 0 };
  #pressed = false;

  constructor(devtools: CDPSession) {
    this.#devtools = devtools;
  }

  async move(x: number, y: number): Promise<void> {
    this.#at = { x, y };
    await this.#send("mouseMoved", this.#pressed ? { button: "left", buttons: 1 } : {});
  }

  async press(): Promise<void> {
    this.#pressed = true;
    await this.#send("mousePressed", { button: "left", buttons: 1, clickCount: 1 });
  }

  async release(): Promise<void> {
    this.#pressed = false;
    await this.#send("mouseReleased", { button: "left", clickCount: 1 });
  }

  async wheel(deltaX: number, deltaY: number, zoom = false): Promise<void> {
    await this.#send("mouseWheel", { deltaX, deltaY, modifiers: zoom ? CONTROL : 0 });
  }

  async #send(type: "mouseMoved" | "mousePressed" | "mouseReleased" | "mouseWheel", more: object): Promise<void> {
    await this.#devtools.send("Input.dispatchMouseEvent", { type, ...this.#at, ...more });
  }
}

/** The protocol's bit for the Ctrl key. */
const CONTROL = 2;

interface Bench {
  readonly page: Page;
  readonly hand: Hand;
  readonly tracks: Tracks;
}

/** Shows everything and brings the pointer to the piece of sound in the middle. */
async function graspMiddle({ page, hand, tracks: { x, y, width } }: Bench): Promise<Place> {
  await page.keyboard.press("Escape");
  await page.keyboard.press("Shift+Z");
  const at = { x: x + FIT_MARGIN + (GRASPED_FRAME / HOUR_FRAMES) * (width - 2 * FIT_MARGIN), y: y + VOICE_Y };
  await hand.move(at.x, at.y);
  return at;
}

async function zoomIn({ hand }: Bench, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await hand.wheel(0, -120, true);
}

async function dragAbout({ page, hand }: Bench, from: Place): Promise<void> {
  await hand.press();
  for (let step = 0; step < STEPS; step += 1) await hand.move(from.x + (step % 60) * 5 - 100, from.y);
  await page.keyboard.press("Escape");
  await hand.release();
}

interface Act {
  readonly name: string;
  /** Brings the timeline to where the act begins; not measured. */
  readonly prepare: (bench: Bench) => Promise<Place>;
  readonly run: (bench: Bench, at: Place) => Promise<void>;
  /** One press changes much at once, such as the inspector: only its longest frame counts. */
  readonly presses?: boolean;
}

async function graspClose(bench: Bench): Promise<Place> {
  const at = await graspMiddle(bench);
  await zoomIn(bench, 12);
  return at;
}

/** Each step is one pointer or wheel event; the browser takes the next one when the page has dealt with it, once a frame. */
const ACTS: readonly Act[] = [
  {
    name: "zoom",
    prepare: graspMiddle,
    run: async ({ hand }) => {
      for (let step = 0; step < STEPS; step += 1) await hand.wheel(0, step < STEPS / 2 ? -60 : 60, true);
    },
  },
  {
    name: "scroll",
    prepare: graspClose,
    run: async ({ hand }) => {
      for (let step = 0; step < STEPS; step += 1) await hand.wheel(90, 0);
    },
  },
  { name: "drag one", prepare: graspClose, run: dragAbout },
  {
    name: "drag all 612",
    prepare: async (bench) => {
      const at = await graspMiddle(bench);
      await bench.page.keyboard.press("Control+a");
      return at;
    },
    run: dragAbout,
  },
  {
    name: "marquee",
    prepare: async (bench) => {
      await graspMiddle(bench);
      const { hand, tracks } = bench;
      const from = { x: tracks.x + tracks.width - 10, y: tracks.y + VOICE_Y };
      await hand.move(from.x, from.y);
      return from;
    },
    run: async ({ hand }, from) => {
      await hand.press();
      for (let step = 0; step < STEPS; step += 1) await hand.move(from.x - step * 12, from.y + 60);
      await hand.release();
    },
  },
  {
    name: "scrub",
    prepare: async (bench) => {
      await graspMiddle(bench);
      const { hand, tracks } = bench;
      const from = { x: tracks.x + 100, y: tracks.y + 8 };
      await hand.move(from.x, from.y);
      return from;
    },
    run: async ({ hand, tracks }, from) => {
      await hand.press();
      for (let step = 0; step < STEPS; step += 1) await hand.move(from.x + ((tracks.width - 200) * step) / STEPS, from.y);
      await hand.release();
    },
  },
  {
    name: "choose",
    presses: true,
    prepare: graspMiddle,
    run: async ({ page, hand }, at) => {
      for (let step = 0; step < STEPS / 6; step += 1) {
        await hand.move(at.x + step * 12, at.y);
        await hand.press();
        await hand.release();
        await page.keyboard.press(step % 2 === 0 ? "Control+a" : "Escape");
      }
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
  const bench: Bench = { page, hand: new Hand(devtools), tracks: box };

  for (const act of ACTS) {
    const at = await act.prepare(bench);
    // What the preparation has set off is over.
    await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
    await page.waitForTimeout(REST_MILLISECONDS);
    const frames = await traceFrames(browser, page, () => act.run(bench, at));
    const { p95, longest } = report(act.name, frames);
    if (act.presses !== true && p95 >= BARS.p95Milliseconds) missed.push(`${act.name}: p95 ${milliseconds(p95)}`);
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
