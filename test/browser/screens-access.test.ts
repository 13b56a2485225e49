import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { connectTo } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";

const THEMES = ["dark", "light"] as const;
const LANGUAGES = ["en", "zh"] as const;

/** What axe finds, each with the elements it is about. */
async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

/** A project to open, made once. */
let projectId = "";
test.beforeAll(async ({ studio }) => {
  const client = await connectTo(await studio.newLink());
  ({ projectId } = await client.rpc.projects.create({ name: "Anna", example: "anna" }));
  client.close();
});

/** Name, address, and what is there once the screen is. */
const screens = (): readonly (readonly [string, string, string])[] => [
  ["home", "#/", "h1"],
  ["new video", "#/new", "textarea"],
  ["new video with material", `#/new/${projectId}`, "canvas"],
  ["studio", `#/studio/${projectId}`, "[role=toolbar]"],
  ["queue", "#/queue", "h1"],
  ["setup", "#/setup", "table"],
  ["settings", "#/settings", "[role=radiogroup]"],
];

describe.each(THEMES)("in the %s theme", (theme) => {
  test("axe finds nothing on any screen, in both languages", async ({ openPage, studio }) => {
    const page = await openPage({ colorScheme: theme });
    const client = await connectTo(await studio.newLink());
    const found: string[] = [];
    for (const language of LANGUAGES) {
      await client.rpc.settings.change({ theme, language });
      for (const [name, address, sign] of screens()) {
        await page.goto(`${studio.origin}/${address}`);
        await page.locator(`html[lang=${language}][data-theme=${theme}]`).waitFor();
        await page.locator(sign).first().waitFor();
        found.push(...(await findings(page)).map((finding) => `${name} (${language}): ${finding}`));
      }
    }
    client.close();
    expect(found).toEqual([]);
  });

  test("axe finds nothing in dialogs and menus", async ({ openPage, studio }) => {
    const page = await openPage({ colorScheme: theme });
    const client = await connectTo(await studio.newLink());
    await client.rpc.settings.change({ theme, language: "en" });
    client.close();
    await page.goto(`${studio.origin}/#/studio/${projectId}`);
    await page.getByRole("menuitem", { name: "Timeline" }).waitFor();
    const found: string[] = [];
    const look = async (name: string, open: () => Promise<void>, role: "dialog" | "menu") => {
      await open();
      await page.getByRole(role).first().waitFor();
      found.push(...(await findings(page)).map((finding) => `${name}: ${finding}`));
      await page.keyboard.press("Escape");
      await page.getByRole(role).first().waitFor({ state: "detached" });
    };
    await look("palette", () => page.keyboard.press("Control+k"), "dialog");
    await look("shortcuts", () => page.keyboard.press("?"), "dialog");
    await look("render", () => page.getByRole("button", { name: "Render", exact: true }).click(), "dialog");
    await look("menu", () => page.getByRole("menuitem", { name: "Edit" }).click(), "menu");
    await look("projects", () => page.keyboard.press("Control+o"), "dialog");
    await look("export", () => page.keyboard.press("Control+e"), "dialog");
    for (const name of ["Diagnostics…", "About Avatar Studio"]) {
      await look(
        name,
        async () => {
          await page.getByRole("menuitem", { name: "Help" }).click();
          await page.getByRole("menuitem", { name }).click();
        },
        "dialog",
      );
    }
    expect(found).toEqual([]);
  });
});
