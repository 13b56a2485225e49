import type { Browser, Page } from "playwright-core";
import { openWatchedPage } from "../support/browser.ts";
import { killIfThere, runningProcesses } from "../support/processes.ts";

/** A real window of the studio that edits by its keys until its renderer process is killed. */
export interface EditingWindow {
  /** Names of the markers set so far, with the time at which each was there. */
  readonly made: readonly { readonly name: string; readonly at: number }[];
  /** Ends the renderer process and answers when that was; rejects when an edit could not be made before. */
  readonly kill: (how: RendererKill) => Promise<number>;
  readonly close: () => Promise<void>;
}

/** A crash inside of the page's process, or `kill -9` from outside. */
export type RendererKill = "crash" | "SIGKILL";

const LAST_FRAME = 20;

/** Opens a window on a project; `prefix` makes the names of its markers its own. */
export async function openEditingWindow(browser: Browser, link: string, projectId: string, prefix: string): Promise<EditingWindow> {
  const before = new Set(renderersOf());
  const { page, context } = await openWatchedPage(browser, link);
  await page.goto(`${new URL(page.url()).origin}/#/studio/${projectId}`);
  await page.getByRole("toolbar", { name: "Playback" }).getByRole("button", { name: "Play", exact: true }).waitFor();
  const crashed = page.waitForEvent("crash", { timeout: 0 });
  // Nobody may be waiting when the browser is closed.
  crashed.catch(() => undefined);
  const made: { name: string; at: number }[] = [];
  const over = new AbortController();
  const editing = (async () => {
    for (let edit = 1; !over.signal.aborted; edit += 1) {
      const name = `${prefix} ${String(edit)}`;
      await mark(page, edit % LAST_FRAME, name);
      made.push({ name, at: performance.now() });
    }
  })();
  // An edit under way when the process dies fails; that it failed before is looked at below.
  const failure = editing.then(
    () => null,
    (error: unknown) => error,
  );
  return {
    made,
    kill: async (how) => {
      const early = await Promise.race([failure, Promise.resolve(undefined)]);
      if (early !== undefined && early !== null) throw new Error("The window could not be edited.", { cause: early });
      const at = performance.now();
      if (how === "crash") {
        const session = await context.newCDPSession(page);
        // It has no answer: whoever would give it is gone.
        void session.send("Page.crash").catch(() => undefined);
      } else {
        for (const pid of renderersOf()) if (!before.has(pid)) killIfThere(pid);
      }
      await crashed;
      over.abort();
      await failure;
      return at;
    },
    close: () => context.close(),
  };
}

/** Marks a frame with a name, by keys. */
async function mark(page: Page, frame: number, name: string): Promise<void> {
  const field = page.getByRole("toolbar", { name: "Playback" }).getByRole("textbox", { name: "Position" });
  await field.fill(`0:00:${String(frame).padStart(2, "0")}`);
  await field.press("Enter");
  await page.keyboard.press("m");
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
  await page.keyboard.press("Enter");
}

/** Processes of this program's browser that show pages. */
function renderersOf(): number[] {
  const all = runningProcesses();
  const own = new Set([process.pid]);
  // Parents come before their children, as numbers only wrap around rarely: twice is enough.
  for (let pass = 0; pass < 3; pass += 1) for (const { pid, parent } of all) if (own.has(parent)) own.add(pid);
  return all.filter(({ pid, command }) => own.has(pid) && command.some((part) => part.includes("--type=renderer"))).map(({ pid }) => pid);
}
