import type { Page } from "playwright-core";
import { describe, expect, onTestFinished } from "vitest";
import { startStudio } from "../support/studio.ts";
import { connectTo } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";

/** A key press of an input method or another layout, as browsers report it. */
const press = (page: Page, init: { readonly key: string; readonly code: string; readonly ctrlKey?: boolean; readonly shiftKey?: boolean; readonly isComposing?: boolean; readonly keyCode?: number }) =>
  page.evaluate((given) => {
    (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...given }));
  }, init);

const dialogs = (page: Page) => page.getByRole("dialog");

describe("commands", () => {
  test("are found and run from the palette, without a pointer", async ({ openPage }) => {
    const page = await openPage();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await page.keyboard.type("que");
    await page.keyboard.press("Enter");
    await page.waitForURL(/#\/queue$/);
    await dialogs(page).waitFor({ state: "detached" });
  });

  test("leave text and input methods alone", async ({ openPage }) => {
    const page = await openPage();
    await page.goto(`${new URL(page.url()).origin}/#/new`);
    const prompt = page.getByRole("textbox", { name: "Prompt" });
    await prompt.click();
    await page.keyboard.type("What?");
    expect(await prompt.inputValue()).toBe("What?");
    expect(await dialogs(page).count()).toBe(0);
    await page.getByRole("heading", { name: "Portrait" }).click();
    // Composing, and the first key of an input method that only the old code tells.
    await press(page, { key: "?", code: "Slash", shiftKey: true, isComposing: true });
    await press(page, { key: "?", code: "Slash", shiftKey: true, keyCode: 229 });
    expect(await dialogs(page).count()).toBe(0);
    await press(page, { key: "?", code: "Slash", shiftKey: true });
    await dialogs(page).waitFor();
    // A dialog has all keys to itself.
    await page.keyboard.press("Alt+Shift+Q");
    expect(page.url()).not.toContain("queue");
  });

  test("work on a Cyrillic layout by the place of the key", async ({ openPage }) => {
    const page = await openPage();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await press(page, { key: "л", code: "KeyK", ctrlKey: true });
    await page.getByRole("combobox").waitFor();
  });

  test("are heard from the moment that the studio is on screen", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const { projectId } = await client.rpc.projects.create({ name: "Quick hands", example: null });
    const page = await openPage();
    // Sooner than any hand: in the same turn in which the studio's bar comes onto the page.
    await page.evaluate(() => {
      const watch = new MutationObserver(() => {
        if (document.querySelector('[role="toolbar"][aria-label="Project"]') === null) return;
        watch.disconnect();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, key: "Enter", code: "Enter", ctrlKey: true, shiftKey: true }));
      });
      watch.observe(document.body, { childList: true, subtree: true });
    });
    await page.goto(`${studio.origin}/#/studio/${projectId}`);
    await page.getByRole("dialog", { name: "Render" }).waitFor();
  });

  test("take new keys in the settings, which another window follows at once", async ({ openPage, studio }) => {
    const page = await openPage();
    const other = await openPage();
    await page.goto(`${studio.origin}/#/settings`);
    await page.getByRole("button", { name: "Change the keys of “Queue”" }).click();
    await page.keyboard.press("F7");
    await page.getByText("F7", { exact: true }).waitFor();
    // The same keys on a second command are pointed out on both.
    await page.getByRole("button", { name: "Change the keys of “Setup”" }).click();
    await page.keyboard.press("F7");
    await page.getByText("Also used by: Queue").waitFor();
    await page.getByText("Also used by: Setup").waitFor();
    await page.getByRole("button", { name: "Reset the keys of “Setup”" }).click();
    await page.getByText("Also used by: Setup").waitFor({ state: "detached" });
    await other.keyboard.press("F7");
    await other.waitForURL(/#\/queue$/);
    await page.getByRole("button", { name: "Reset all" }).click();
    await page.getByText("F7", { exact: true }).waitFor({ state: "detached" });
  });
});

describe("the whole page", () => {
  test("changes language and theme at once and remembers them", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const page = await openPage({ colorScheme: "dark" });
    await page.goto(`${studio.origin}/#/settings`);
    await page.getByRole("radio", { name: "中文" }).click();
    await page.getByRole("heading", { name: "设置" }).waitFor();
    await page.getByRole("radio", { name: "浅色" }).click();
    await page.locator("html[lang=zh][data-theme=light]").waitFor();
    // The page shows it before the server has it.
    await expect.poll(async () => client.rpc.settings.get()).toMatchObject({ language: "zh", theme: "light" });
    await page.reload();
    await page.getByRole("heading", { name: "设置" }).waitFor();
    expect(await page.locator("html").getAttribute("data-theme")).toBe("light");
    await page.getByRole("radio", { name: "English" }).click();
    await page.getByRole("radio", { name: "As the system" }).last().click();
    await page.locator("html[lang=en][data-theme=dark]").waitFor();
  });

  test("says that the server is away, and goes on when it is back", async ({ openPage }) => {
    const own = await startStudio();
    onTestFinished(own.clean);
    const port = new URL(own.origin).port;
    const page = await openPage({ link: own.link, expectedErrors: [/WebSocket|ERR_CONNECTION|401|Failed to load/] });
    await page.getByText("Processor", { exact: false }).first().waitFor();
    // Its parts are loaded one by one; what is not there yet could not come any more.
    await page.getByRole("heading", { name: "Examples" }).waitFor();
    await own.kill();
    await page.getByText("The connection to the studio is lost.", { exact: false }).waitFor();
    const again = await startStudio({ dataFolder: own.dataFolder, arguments: ["--server-port", port] });
    onTestFinished(again.clean);
    await page.getByText("The connection to the studio is lost.", { exact: false }).waitFor({ state: "detached" });
  });

  test("records a voice with the microphone", async ({ openPage, studio }) => {
    const { startBrowser, openWatchedPage } = await import("../support/browser.ts");
    const browser = await startBrowser({ microphone: true });
    onTestFinished(() => browser.close());
    const { page } = await openWatchedPage(browser, await studio.newLink());
    await page.goto(`${studio.origin}/#/new`);
    await page.getByRole("button", { name: "Record", exact: true }).click();
    await page.getByText("0:02").waitFor();
    await page.getByRole("button", { name: "Use this recording" }).click();
    await page.getByText(/Recording\.webm/).first().waitFor();
    await page.getByRole("img", { name: /Waveform/ }).waitFor();
    // A browser without the permission says so in words, where the button is.
    const refused = await openPage();
    await refused.goto(`${studio.origin}/#/new`);
    await refused.getByRole("button", { name: "Record", exact: true }).click();
    await refused.getByText(/may not be used|no microphone|does not answer/).waitFor();
  });
});

describe("projects of the home page", () => {
  test("are renamed, duplicated and removed", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    await client.rpc.projects.create({ name: "First", example: "anna" });
    const before = (await client.rpc.projects.list()).length;
    const page = await openPage();
    await page.getByRole("button", { name: "Actions for First" }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("Second");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Second", exact: true }).waitFor();
    await page.getByRole("button", { name: "Actions for Second" }).click();
    await page.getByRole("menuitem", { name: "Duplicate" }).click();
    await expect.poll(async () => (await client.rpc.projects.list()).length).toBe(before + 1);
    await page.getByRole("button", { name: "Actions for Second" }).first().click();
    await page.getByRole("menuitem", { name: "Remove" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText(/is in the wastebasket/).first().waitFor();
    await expect.poll(async () => (await client.rpc.projects.list()).length).toBe(before);
  });
});

test("findings of the engine are told in Chinese, in every column", async ({ openPage, studio }) => {
  const client = await connectTo(await studio.newLink());
  onTestFinished(async () => {
    await client.rpc.settings.change({ language: "system" });
    client.close();
  });
  const { projectId } = await client.rpc.projects.create({ name: "Mei", example: "mei" });
  await client.rpc.settings.change({ language: "zh" });
  const page = await openPage();
  await page.goto(`${studio.origin}/#/new/${projectId}`);
  for (const list of ["肖像检查", "语音检查", "提示词检查"]) {
    const findings = page.getByRole("list", { name: list }).getByRole("listitem");
    await findings.first().waitFor();
    for (const text of await findings.allTextContents()) expect(text).toMatch(/[\u4e00-\u9fff].*。/);
  }
});
