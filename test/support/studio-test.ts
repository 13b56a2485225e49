import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { test as base } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { type PageOptions, type WatchedPage, openWatchedPage, startBrowser } from "./browser.ts";
import { startStudio } from "./studio.ts";

/** Letters of a page that say where a failed test stood. */
const MOST_WORDS = 2_000;
const PICTURES = join(repositoryRoot, "output", "test-failures");

/**
 * `test` of vitest with a running studio: `test("…", async ({ studio, openPage }) => { const page = await openPage(); … })`.
 *
 * - `studio`: one server for all tests of the file; it must end cleanly and leave no process. A test that harms its server starts its own with `startStudio`.
 * - `browser`: one Chromium for the file.
 * - `openPage`: opens the studio in a new context. When the test ends, an error in the page's console fails it, and a failed
 *   test leaves a picture of each page in `output/test-failures/` and its words in the log, which is all that a build machine keeps.
 */
export const test = base
  .extend("studio", { scope: "file" }, async ({}, { onCleanup }) => {
    // The whole run has the network off; whether a studio may use it is its own affair here.
    const studio = await startStudio({ environment: { HF_HUB_OFFLINE: "" } });
    onCleanup(studio.stop);
    return studio;
  })
  .extend("browser", { scope: "file" }, async ({}, { onCleanup }) => {
    const browser = await startBrowser();
    onCleanup(async () => browser.close());
    return browser;
  })
  .extend("openPage", ({ studio, browser, task }, { onCleanup }) => {
    const opened: WatchedPage[] = [];
    onCleanup(async () => {
      const errors = opened.flatMap((one) => one.errors);
      if (task.result?.state === "fail" || (task.result?.errors ?? []).length > 0 || errors.length > 0) await takePictures(task.name, opened);
      for (const { context } of opened) await context.close();
      if (errors.length > 0) throw new Error(`The page reported errors:\n${errors.join("\n")}`);
    });
    return async ({ link, ...options }: PageOptions & { readonly link?: string } = {}): Promise<Page> => {
      const watched = await openWatchedPage(browser, link ?? (await studio.newLink()), options);
      opened.push(watched);
      return watched.page;
    };
  });

async function takePictures(testName: string, opened: readonly WatchedPage[]): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  const name = testName.replaceAll(/[^\p{L}\p{N}]+/gu, "-").slice(0, 80);
  for (const [index, { page }] of opened.entries()) {
    // A page that crashed cannot be pictured; the test has already failed for a better reason.
    await page.screenshot({ path: join(PICTURES, `${name}-${String(index + 1)}.png`), timeout: 5_000 }).catch(() => undefined);
    const words = await page.locator("body").innerText({ timeout: 5_000 }).catch(() => "");
    console.error(`Page ${String(index + 1)} of "${testName}" at ${new URL(page.url()).hash} says:\n${words.slice(0, MOST_WORDS)}`);
  }
}
