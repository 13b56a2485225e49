import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { openWatchedPage, startBrowser } from "../support/browser.ts";
import { makeSmallArchive } from "../support/small-runtime.ts";
import { startStudio } from "../support/studio.ts";

let browser: Browser;
let scratch: string;
beforeAll(async () => {
  browser = await startBrowser();
  scratch = mkdtempSync(join(tmpdir(), "avatar-studio-first-start-"));
});
afterAll(async () => {
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Unpacking and checking thousands of files, with other work on the machine. */
const INSTALL_MILLISECONDS = 120_000;

test("the first start: the archive beside the program is offered, one click installs it, and its files can be checked", async () => {
  const program = join(scratch, "program 名前");
  mkdirSync(program);
  symlinkSync(join(repositoryRoot, "resources"), join(program, "resources"));
  const archive = dirname(await makeSmallArchive(scratch));
  for (const name of readdirSync(archive)) copyFileSync(join(archive, name), join(program, name));
  const studio = await startStudio({ arguments: ["--installation", program] });
  try {
    const { page, errors } = await openWatchedPage(browser, studio.link);
    const engine = page.getByRole("region", { name: "Engine" });
    await engine.getByText("The engine is not installed yet.").waitFor();
    await engine.getByText("Fits this machine").waitFor();
    await engine.getByRole("button", { name: "Install the engine" }).click();
    await engine.getByText(/^Engine 0\.1\.0-.* is installed\.$/).waitFor({ timeout: INSTALL_MILLISECONDS });
    await engine.getByText("Installed from an archive").waitFor();
    expect(readdirSync(join(studio.dataFolder, "runtimes"))).toEqual([expect.stringMatching(/^1-0\.1\.0-/)]);

    await engine.getByRole("button", { name: "Check every file" }).click();
    await engine.getByText(/All files of 1-0\.1\.0-.* are as they should be\./).waitFor({ timeout: INSTALL_MILLISECONDS });
    expect(errors).toEqual([]);
  } finally {
    await studio.stop();
  }
});
