import type { Browser, Page } from "playwright-core";

/** The main thread's work for one frame, in milliseconds of its own time: other programs on the machine do not count. */
export interface FrameWork {
  /** Input, scripts, styles, layout, painting. */
  readonly script: number;
  /** Handing the frame over, which draws the canvases in software where there is no GPU. */
  readonly rendering: number;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Of the thread itself. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

const CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"];

/** Traces the page while `act` runs, and sums the main thread's tasks for each frame. */
export async function traceFrames(browser: Browser, page: Page, act: () => Promise<void>): Promise<readonly FrameWork[]> {
  await browser.startTracing(page, { categories: CATEGORIES });
  await act();
  const trace = JSON.parse((await browser.stopTracing()).toString("utf8")) as { readonly traceEvents: readonly TraceEvent[] };
  return framesOf(trace.traceEvents);
}

/** Every task of the main thread, up to and with the one that hands a frame over, belongs to that frame. */
function framesOf(events: readonly TraceEvent[]): readonly FrameWork[] {
  const main = busiestMainThread(events);
  const own = events.filter((event) => event.ph === "X" && `${String(event.pid)}/${String(event.tid)}` === main);
  const commits = own.filter((event) => event.name === "Commit").sort((a, b) => a.ts - b.ts);
  const frames: FrameWork[] = [];
  let script = 0;
  let rendering = 0;
  let next = 0;
  for (const task of own.filter((event) => event.name === "RunTask").sort((a, b) => a.ts - b.ts)) {
    const end = task.ts + (task.dur ?? 0);
    let closes = false;
    let committing = 0;
    for (let commit = commits[next]; commit !== undefined && commit.ts < end; commit = commits[next]) {
      closes = true;
      committing += lengthOf(commit);
      next += 1;
    }
    script += lengthOf(task) - committing;
    rendering += committing;
    if (!closes) continue;
    frames.push({ script, rendering });
    script = 0;
    rendering = 0;
  }
  return frames;
}

const lengthOf = (event: TraceEvent): number => (event.tdur ?? event.dur ?? 0) / 1_000;

/** The page's own process; Chromium keeps a spare one beside it. */
function busiestMainThread(events: readonly TraceEvent[]): string {
  const threads = new Map(events.filter((event) => event.name === "thread_name" && event.args?.name === "CrRendererMain").map((event) => [`${String(event.pid)}/${String(event.tid)}`, 0]));
  for (const { pid, tid } of events) {
    const key = `${String(pid)}/${String(tid)}`;
    const count = threads.get(key);
    if (count !== undefined) threads.set(key, count + 1);
  }
  const [busiest] = [...threads].sort((a, b) => b[1] - a[1]);
  if (busiest === undefined) throw new Error("The trace has no main thread of a page.");
  return busiest[0];
}
