import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium } from "playwright-core";
import { findProgram } from "../../build/setup/programs.mjs";

// No sandbox: tests also run as root, where Chromium refuses it; the pages are ours. The rest keeps it off the network.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** A microphone that plays a beep, granted without a question. */
const FAKE_MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

/** Start Chromium with a profile of its own. */
export async function startBrowser(options: { readonly microphone?: boolean; readonly flags?: readonly string[] } = {}): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (executablePath === null) throw new Error("Chromium is missing: `npm test` installs it.");
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...(options.microphone === true ? FAKE_MICROPHONE : []), ...(options.flags ?? [])] });
}

export interface PageOptions extends BrowserContextOptions {
  /** Messages of the console or the network that belong to the test, such as a request that must be refused. */
  readonly expectedErrors?: readonly RegExp[];
}

/** A page in a context of its own, which notes everything that goes wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the console, uncaught exceptions, and crashes, but for the expected ones. */
  readonly errors: readonly string[];
}

/** Open `link` in a new context. */
export async function openWatchedPage(browser: Browser, link: string, { expectedErrors = [], ...options }: PageOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", reducedMotion: "reduce", ...options });
  const errors: string[] = [];
  const note = (text: string): void => {
    if (!expectedErrors.some((pattern) => pattern.test(text))) errors.push(text);
  };
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error") note(`console: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => note(`uncaught: ${error.stack ?? error.message}`));
    page.on("crash", () => note("the page crashed"));
  });
  const page = await context.newPage();
  await page.goto(link);
  return { page, context, errors };
}
