import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { test } from "./rendered-studio.ts";
import { DAYLIGHT } from "./small-video.ts";

type Texts = { readonly [key: string]: string | readonly string[] | Texts };

/** The texts of a language by their keys. */
function catalogue(language: "en" | "zh"): ReadonlyMap<string, string> {
  const folder = join(repositoryRoot, "renderer", "src", "i18n", language);
  const found = new Map<string, string>();
  const gather = (texts: Texts | readonly string[], path: string): void => {
    for (const [key, value] of Object.entries(texts)) {
      if (typeof value === "string") found.set(`${path}.${key}`, value);
      else gather(value, `${path}.${key}`);
    }
  };
  for (const name of readdirSync(folder).filter((one) => one.endsWith(".json"))) gather(JSON.parse(readFileSync(join(folder, name), "utf8")) as Texts, name);
  return found;
}

/** English texts that Chinese says in another way. */
const ENGLISH = (() => {
  const chinese = new Set(catalogue("zh").values());
  return new Set([...catalogue("en").values()].filter((text) => /[a-z]{3}/.test(text) && !chinese.has(text)));
})();

/** What the user has written, names of keys, files, commands and machines, and that of a track made without a page: they stay as they are. */
const NAMES = [...["anna", "ben", "mei"].map((name) => readFileSync(join(repositoryRoot, "resources", "examples", name, "prompt.txt"), "utf8").trim()), DAYLIGHT, "Voice", "live-avatar models import", /^Four clips( copy( \d+)?)?$/, /^Home$/, /^\/\S+$/, /\.(png|wav)\b/, /\b(AMD|Intel|NVIDIA [A-Z0-9]|fp32)\b/];

/** Everything that can be read or heard on the page: texts, names, hints. */
async function wordsOn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const words: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode() !== null) {
      const parent = walker.currentNode.parentElement;
      if (parent !== null && !["SCRIPT", "STYLE", "CODE", "PRE"].includes(parent.tagName)) words.push(walker.currentNode.textContent ?? "");
    }
    for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt], [aria-valuetext]")) {
      for (const name of ["aria-label", "title", "placeholder", "alt", "aria-valuetext"]) words.push(element.getAttribute(name) ?? "");
    }
    return words.map((word) => word.trim()).filter((word) => word !== "");
  });
}

/** Words of a page that are English: whole texts of the catalogue, and sentences of any other origin. */
async function englishOn(page: Page, screen: string): Promise<string[]> {
  const words = [...new Set(await wordsOn(page))].filter((word) => !NAMES.some((name) => (typeof name === "string" ? word.includes(name) : name.test(word))));
  return words.filter((word) => ENGLISH.has(word) || /[a-z]{2,}[ ,]+[a-z]{2,}[ ,]+[a-z]{2,}|\d (?!kHz)[a-z]{3,}/i.test(word)).map((word) => `${screen}: ${word}`);
}

/** What the page's next alert says when it comes, before anything replaces it. */
const firstAlert = async (page: Page): Promise<string> =>
  page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const watch = new MutationObserver(() => {
          const text = document.querySelector("[role=alert]")?.textContent ?? "";
          if (text === "") return;
          watch.disconnect();
          resolve(text);
        });
        watch.observe(document.body, { childList: true, subtree: true });
      }),
  );

const CHINESE = { locale: "zh-CN" } as const;

describe("a browser that asks for Chinese", () => {
  test("gets it on every screen, with nothing left in English", async ({ openPage, rendered: { client, video }, studio }) => {
    await client.rpc.settings.change({ language: "system" });
    const page = await openPage(CHINESE);
    await page.locator("html[lang=zh]").waitFor();
    const english: string[] = [];
    const look = async (screen: string, sign: ReturnType<Page["locator"]>) => {
      await sign.first().waitFor();
      english.push(...(await englishOn(page, screen)));
    };
    const show = (address: string) => page.goto(`${studio.origin}/#/${address}`);
    await look("home", page.getByRole("heading", { level: 1 }));
    await show("new");
    await look("new video", page.getByRole("textbox", { name: "提示词" }));
    const firstSaid = firstAlert(page);
    await page.locator("input[type=file]").first().setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await look("new video, not a picture", page.getByRole("alert"));
    // Not in English first, even for a moment.
    expect(await firstSaid).toBe(await page.getByRole("alert").textContent());
    await show(`new/${video.projectId}`);
    // The checks of picture, voice and prompt.
    await expect.poll(() => page.locator("main ul li").count(), { timeout: 60_000 }).toBeGreaterThan(8);
    await look("new video with material", page.locator("figure svg"));
    await show("queue");
    await look("queue", page.getByRole("listitem"));
    await show("setup");
    await look("setup", page.getByRole("table"));
    await show("settings");
    await look("settings", page.getByRole("radiogroup"));
    await show(`studio/${video.projectId}`);
    await page.locator("[role=listbox][data-track=output] [role=option]").first().waitFor({ state: "attached" });
    await look("studio", page.getByRole("toolbar"));
    const menus = await page.getByRole("menubar").getByRole("menuitem").allTextContents();
    expect(menus).toHaveLength(7);
    for (const menu of menus) {
      await page.getByRole("menuitem", { name: menu, exact: true }).click();
      await look(`menu ${menu}`, page.getByRole("menu"));
      await page.keyboard.press("Escape");
      await page.getByRole("menu").waitFor({ state: "detached" });
    }
    for (const keys of ["Control+k", "?", "Control+e", "Control+Shift+Enter"]) {
      await page.keyboard.press(keys);
      await look(`dialog ${keys}`, page.getByRole("dialog"));
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    for (const list of await page.locator("[role=listbox][data-track]").all()) {
      await list.focus();
      await page.keyboard.press("ArrowDown");
      await look(`inspector of ${(await list.getAttribute("data-track")) ?? ""}`, page.locator("main"));
    }
    expect(english).toEqual([]);
  });

  test("names what it makes in Chinese", async ({ openPage, rendered: { client } }) => {
    await client.rpc.settings.change({ language: "system" });
    const page = await openPage(CHINESE);
    await page.getByRole("button", { name: /^Anna/ }).click();
    await page.waitForURL(/#\/new\/.+/);
    const projectId = page.url().split("/").at(-1) ?? "";
    const { document } = await client.rpc.projects.open({ kind: "id", projectId });
    expect([document.name, document.audioTracks.map((track) => track.name)]).toEqual([expect.stringMatching(/^视频 /), ["语音 1"]]);
  });

  test("is written with an input method: its keys are no commands, its Enter ends no field", async ({ openCopy, rendered: { client } }) => {
    await client.rpc.settings.change({ language: "system" });
    const { page, document } = await openCopy();
    const input = await page.context().newCDPSession(page);
    /** Keys as the browser gets them from an input method: they say only that it is at work. */
    const type = async (letters: string) => {
      for (let index = 0; index < letters.length; index += 1) {
        const letter = letters.charAt(index);
        const key = { windowsVirtualKeyCode: 229, key: "Process", code: `Key${letter.toUpperCase()}` };
        await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...key });
        await input.send("Input.imeSetComposition", { text: letters.slice(0, index + 1), selectionStart: index + 1, selectionEnd: index + 1 });
        await input.send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
      }
    };
    const choose = async (words: string) => {
      const enter = { windowsVirtualKeyCode: 229, key: "Process", code: "Enter" };
      await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
      await input.send("Input.insertText", { text: words });
      await input.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
    };

    // In a prompt on the timeline.
    await page.getByRole("listbox", { name: /^Prompt, segments/ }).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const field = page.getByRole("textbox", { name: "Prompt text" });
    await field.waitFor();
    await field.fill("");
    await type("siji");
    await choose("四季");
    expect(await field.inputValue()).toBe("四季");
    await type("mama");
    await choose("妈妈");
    expect(await field.inputValue()).toBe("四季妈妈");
    await page.keyboard.press("Enter");
    await field.waitFor({ state: "detached" });
    await expect.poll(async () => (await document()).prompts.map((prompt) => prompt.text)).toEqual(["四季妈妈"]);

    // With the timeline in focus and the input method on: S, M and Del would split, mark and delete.
    await page.getByRole("listbox", { name: /^Video, segments/ }).focus();
    for (const code of ["KeyS", "KeyM", "KeyI", "Delete"]) await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Process", code });
    // The next plain key is a command, so those before it have been seen.
    await page.keyboard.press("m");
    await expect.poll(async () => (await document()).markers.length).toBe(1);
    const { prompts, portraits, range } = await document();
    expect([prompts.length, portraits.length, range]).toEqual([1, 1, null]);
  });
});
