import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import type { ProjectDocument, Quality } from "../electron/contract/document/project-document.schema.ts";
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

/** Ids of projects. */
interface Prepared {
  readonly finished: string;
  /** Finished, and edited since. */
  readonly changed: string;
  readonly empty: string;
}

const CAPTIONS = "1\n00:00:00,000 --> 00:00:02,400\nGood morning, and welcome.\n\n2\n00:00:02,400 --> 00:00:05,000\nSpring is here.\n";

/** One finished video, one that is being rendered, one that waits: so that the screens have something to show. */
async function prepare(client: StudioClient): Promise<Prepared> {
  const start = async (example: string, quality: Quality): Promise<string> => {
    const { projectId } = await client.rpc.projects.create({ name: example === "mei" ? "课程介绍" : example === "ben" ? "Onboarding, part 1" : "Spring greeting", example });
    await client.rpc.jobs.render({ projectId, quality, scope: { kind: "all" } });
    return projectId;
  };
  const finished = await start("anna", "preview");
  // These take long enough to be under way in every picture.
  await start("ben", "final");
  await start("mei", "final");
  for await (const jobs of await client.rpc.jobs.watch()) {
    const first = jobs.find((job) => job.projectId === finished);
    if (first?.state.status === "failed") throw new Error(`The render failed: ${first.state.fault.code} ${first.state.fault.what}`);
    if (first?.state.status === "finished") break;
  }
  const { projectId: changed } = await client.rpc.projects.duplicate({ projectId: finished });
  const uploadId = await client.upload("spring-greeting.srt", new TextEncoder().encode(CAPTIONS));
  const { media } = await client.rpc.media.import({ projectId: finished, source: { kind: "upload", uploadId } });
  await edit(client, finished, (document) => ({ ...document, media: [...document.media, media], markers: [{ id: "marker", frame: 60, label: "Spring is here" }] }));
  await edit(client, changed, (document) => ({ ...document, prompts: document.prompts.map((prompt) => ({ ...prompt, text: `${prompt.text} Warm evening light.` })) }));
  const { projectId: empty } = await client.rpc.projects.create({ name: "Nothing yet", example: null });
  // A project that was never edited is removed when its last window leaves.
  await edit(client, empty, (document) => ({ ...document, settings: { ...document.settings, baseSeed: 1 } }));
  return { finished, changed, empty };
}

async function edit(client: StudioClient, projectId: string, change: (document: ProjectDocument) => ProjectDocument): Promise<void> {
  const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
  await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "shots", document: change(document) });
}

const shotsOf = ({ finished, changed, empty }: Prepared): readonly Shot[] => [
  { name: "home", address: "#/", sign: "[aria-labelledby=examples-heading] img", act: settled },
  { name: "new", address: "#/new", sign: "[aria-labelledby=example-voices] button" },
  { name: "new-filled", address: `#/new/${finished}`, sign: "figure svg" },
  { name: "studio", address: `#/studio/${finished}`, sign: STUDIO, act: inTheMiddle },
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
  { name: "studio-captions", address: `#/studio/${finished}`, sign: "[role=tablist]", act: (page) => page.getByRole("tab").last().click() },
  {
    name: "studio-clip",
    address: `#/studio/${finished}`,
    sign: STUDIO,
    act: async (page) => {
      await page.locator("[role=listbox][data-track=output]").focus();
      await page.keyboard.press("ArrowDown");
      await settled(page);
    },
  },
  { name: "studio-empty", address: `#/studio/${empty}`, sign: STUDIO, act: settled },
  { name: "queue", address: "#/queue", sign: "figure canvas", act: settled },
  { name: "setup", address: "#/setup", sign: "table", act: settled },
  { name: "setup-end", address: "#/setup", sign: "table", act: (page) => page.locator("main section").last().scrollIntoViewIfNeeded() },
  { name: "settings", address: "#/settings", sign: "[role=radiogroup]", act: settled },
  { name: "palette", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "Control+k") },
  { name: "shortcuts", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "?") },
  { name: "projects", address: "#/", sign: "h1", act: (page) => opened(page, "Control+o") },
  { name: "export", address: `#/studio/${finished}`, sign: STUDIO, act: (page) => opened(page, "Control+e") },
  { name: "export-stale", address: `#/studio/${changed}`, sign: STUDIO, act: (page) => opened(page, "Control+e") },
  { name: "diagnostics", address: "#/", sign: "h1", act: (page) => helpItem(page, 2) },
  { name: "about", address: "#/", sign: "h1", act: (page) => helpItem(page, 3) },
];

/** Chooses from the last menu, which is Help. */
async function helpItem(page: Page, index: number): Promise<void> {
  await page.locator("[role=menubar] > :last-child").click();
  await page.getByRole("menuitem").nth(index).waitFor();
  await page.getByRole("menu").getByRole("menuitem").nth(index).click();
  await page.getByRole("dialog").waitFor();
}

/** At a moment when something is said. */
async function inTheMiddle(page: Page): Promise<void> {
  await settled(page);
  await page.keyboard.press("Shift+ArrowRight");
  for (let frame = 0; frame < 17; frame += 1) await page.keyboard.press("ArrowRight");
  await settled(page);
}

/** Until every picture in sight is there; those of the timeline are drawn when they have come. */
async function settled(page: Page): Promise<void> {
  await page.waitForLoadState("networkidle");
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
  const wanted = shotsOf(await prepare(client)).filter(({ name }) => values.only === undefined || name === values.only);
  for (const theme of THEMES) {
    for (const language of LANGUAGES) {
      await client.rpc.settings.change({ theme, language });
      for (const viewport of SIZES) {
        const { page, context, errors } = await openWatchedPage(browser, await studio.newLink(), { viewport, colorScheme: theme });
        for (const { name, address, sign, act } of wanted) {
          await page.goto(`${studio.origin}/${address}`);
          // As it first appears: nothing is left of the picture before.
          await page.reload();
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
