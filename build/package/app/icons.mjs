import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureNodePackages } from "../../setup/node-packages.mjs";
import { repositoryRoot } from "../../setup/paths.mjs";
import { findProgram } from "../../setup/programs.mjs";
import { SetupError, runMain } from "../../setup/user-error.mjs";
import { icnsOf, icoOf } from "./icon-files.mjs";

// Draws every icon file from the two drawings; run after one of them has changed. What it makes is kept with the sources.

/** Below this many pixels the simple drawing is the clearer one. */
const SMALL_PIXELS = 48;
const LINUX_PIXELS = [16, 24, 32, 48, 64, 128, 256, 512];
const WINDOWS_PIXELS = [16, 24, 32, 48, 64, 128, 256];
const MAC_PIXELS = [16, 32, 64, 128, 256, 512, 1024];

await runMain(async () => {
  await ensureNodePackages();
  const executablePath = findProgram("chromium");
  if (executablePath === null) throw new SetupError("The icons cannot be drawn.", "Chromium is missing.", "Install it (Debian, Ubuntu: apt install chromium) and run the same command again.");
  const folder = join(repositoryRoot, "resources", "icons");
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const draw = async (/** @type {number} */ pixels) => {
      const drawing = readFileSync(join(folder, pixels < SMALL_PIXELS ? "icon-small.svg" : "icon.svg"), "utf8");
      await page.setViewportSize({ width: pixels, height: pixels });
      await page.setContent(`<style>body { margin: 0 } svg { display: block; width: ${pixels}px; height: ${pixels}px }</style>${drawing}`);
      return page.screenshot({ omitBackground: true });
    };
    /** @type {Map<number, Buffer>} */
    const pictures = new Map();
    for (const pixels of new Set([...LINUX_PIXELS, ...WINDOWS_PIXELS, ...MAC_PIXELS])) pictures.set(pixels, await draw(pixels));
    const some = (/** @type {number[]} */ sizes) => sizes.map((pixels) => ({ pixels, png: /** @type {Buffer} */ (pictures.get(pixels)) }));
    mkdirSync(join(folder, "linux"), { recursive: true });
    for (const { pixels, png } of some(LINUX_PIXELS)) writeFileSync(join(folder, "linux", `${pixels}x${pixels}.png`), png);
    writeFileSync(join(folder, "icon.ico"), icoOf(some(WINDOWS_PIXELS)));
    writeFileSync(join(folder, "icon.icns"), icnsOf(some(MAC_PIXELS)));
    writeFileSync(join(folder, "icon.png"), await draw(256));
  } finally {
    await browser.close();
  }
  return 0;
});
