import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { repositoryRoot } from "../build/setup/paths.mjs";
import { openWatchedPage, startBrowser } from "./support/browser.ts";
import { startStudio } from "./support/studio.ts";
import { connectTo, type StudioClient } from "./support/studio-client.ts";

/** `npm run shots`: pictures of every screen in both themes and languages and two sizes, in `output/shots/`, to be looked at. */
const { values } = parseArgs({ options: { only: { type: "string" }, theme: { type: "string" }, language: { type: "string" }, width: { type: "string" } } });
const FOLDER = join(repositoryRoot, "output", "shots");
const SIZES = [{ width: 1280, height: 800 }, { width: 1920, height: 1080 }].filter(({ width }) => values.width === undefined || String(width) === values.width);
const THEMES = (["dark", "light"] as const).filter((theme) => values.theme === undefined || theme === values.theme);
const LANGUAGES = (["en", "zh"] as const).filter((language) => values.language === undefined || language === values.language);

/** The last of the studio's own menus: its commands are there. */
const STUDIO = "[role=menubar] > :nth-child(7)";

interface Shot {
  readonly name: string;
  readonly address: string;
  /** What is there once the screen is complete. */
  readonly sign: string;
  readonly act?: (page: Page) => Promise<void>;
}

/** One finished video, one that is being rendered, one that waits: so that the screens have something to show. */
async function prepare(client: StudioClient): Promise<{ readonly finished: string }> {
  const start = async (example: string): Promise<string> => {
    const { projectId } = await client.rpc.projects.create({ name: example === "mei" ? "课程介绍" : example === "ben" ? "Onboarding, part 1" : "Spring greeting", example });
    await client.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "all" } });
    return projectId;
  };
  const finished = await start("anna");
  await start("ben");
  await start("mei");
  for await (const jobs of await client.rpc.jobs.watch()) {
    const first = jobs.find((job) => job.projectId === finished);
    if (first?.state.status === "failed") throw new Error(`The render failed: ${first.state.fault.code} ${first.state.fault.what}`);
    if (first?.state.status === "finished") break;
  }
  return { finished };
}

const shotsOf = (finished: string): readonly Shot[] => [
  { name: "home", address: "#/", sign: "[aria-labelledby=examples-heading] img", act: settled },
  { name: "new", address: "#/new", sign: "[aria-labelledby=example-voices] button" },
  { name: "new-filled", address: `#/new/${finished}`, sign: "figure svg" },
  { name: "studio", address: `#/studio/${finished}`, sign: STUDIO, act: settled },
  {
    name: "studio-render",
    address: `#/studio/${finished}`,
    sign: STUDIO,
    act: async (page) => {
      await page.keyboard.press("Control+Shift+Enter");
      // The preview is finished already: the final video has figures to show.
      await page.getByRole("dialog").getByRole("radio").nth(1).click();
      await page.locator("[role=dialog] dl dd").first().waitFor();
    },
  },
  { name: "queue", address: "#/queue", sign: "figure canvas", act: settled },
  { name: "setup", address: "#/setup", sign: "table", act: settled },
  { name: "settings", address: "#/settings", sign: "[role=radiogroup]", act: settled },
  { name: "palette", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "Control+k") },
  { name: "shortcuts", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "?") },
  { name: "projects", address: "#/", sign: "h1", act: (page) => opened(page, "Control+o") },
  { name: "export", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "Control+e") },
];

/** Until every picture in sight is there. */
async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > window.innerHeight));
}

async function opened(page: Page, keys: string): Promise<void> {
  await settled(page);
  await page.keyboard.press(keys);
  await page.getByRole("dialog").waitFor();
}

const studio = await startStudio();
const browser = await startBrowser();
try {
  const client = await connectTo(studio.link);
  mkdirSync(FOLDER, { recursive: true });
  const { finished } = await prepare(client);
  const wanted = shotsOf(finished).filter(({ name }) => values.only === undefined || name === values.only);
  for (const theme of THEMES) {
    for (const language of LANGUAGES) {
      await client.rpc.settings.change({ theme, language });
      for (const viewport of SIZES) {
        const { page, context, errors } = await openWatchedPage(browser, await studio.newLink(), { viewport, colorScheme: theme });
        for (const { name, address, sign, act } of wanted) {
          await page.goto(`${studio.origin}/${address}`);
          await page.locator(`html[lang=${language}][data-theme=${theme}]`).waitFor();
          await page.locator(sign).first().waitFor();
          await act?.(page);
          const file = join(FOLDER, `${name}-${theme}-${language}-${String(viewport.width)}.png`);
          await page.screenshot({ path: file });
          console.log(file);
          await page.keyboard.press("Escape");
        }
        for (const error of errors) console.error(`  ${error}`);
        await context.close();
      }
    }
  }
  client.close();
} finally {
  await browser.close();
  await studio.stop();
}
