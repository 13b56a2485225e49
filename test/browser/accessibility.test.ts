import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { test } from "./rendered-studio.ts";
import { goToFrame, RENDER_MILLISECONDS, untilRendered } from "./studio-page.ts";

/** Each screen, dialog and panel with something in it; `screens-access.test.ts` has them as they first appear. */
describe.each(["dark", "light"] as const)("axe finds nothing in the %s theme", (theme) => {
  /** Looks at the page as it is; `found` gathers what is wrong. */
  const watch = async (page: Page, client: { readonly rpc: { readonly settings: { readonly change: (change: { readonly theme: "dark" | "light"; readonly language: "en" }) => Promise<unknown> } } }) => {
    await client.rpc.settings.change({ theme, language: "en" });
    await page.locator(`html[data-theme=${theme}]`).waitFor();
    const found: string[] = [];
    const look = async (name: string) => {
      const { violations } = await new AxeBuilder({ page }).analyze();
      found.push(...violations.map((violation) => `${name}: ${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`));
    };
    return { look, found };
  };

  test("in the studio of a rendered video", async ({ openCopy, rendered: { client } }) => {
    const { page } = await openCopy({ colorScheme: theme });
    const { look, found } = await watch(page, client);
    await untilRendered(page, 4);
    for (const track of ["Portrait", "Prompt", "Voice", "Video"]) {
      await page.getByRole("listbox", { name: new RegExp(`^${track}.*, segments: `) }).focus();
      await page.keyboard.press("ArrowDown");
      await look(`inspector of ${track}`);
    }
    await goToFrame(page, 30);
    await page.keyboard.press("m");
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("Good day");
    await look("marker");
    await page.getByRole("button", { name: "Show the portrait beside the video" }).click();
    for (const tab of ["Voices", "Prompts", "Captions"]) {
      await page.getByRole("tab", { name: tab }).click();
      await look(`assets: ${tab}`);
    }
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("combobox", { name: "Format" }).click();
    // What a dialog opens can be heard: it is not hidden with the rest of the page.
    await page.getByRole("option", { name: "Captions" }).waitFor();
    await look("list in a dialog");
    await page.getByRole("option", { name: "Captions" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "Save the file" }).waitFor({ timeout: RENDER_MILLISECONDS });
    await look("finished export");
    await page.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).last().click();
    await page.getByRole("listbox", { name: /^Prompt, segments/ }).focus();
    await page.keyboard.press("ArrowDown");
    await page.getByRole("textbox", { name: "What is to be seen" }).fill("Something else");
    await page.getByRole("option", { name: /out of date/ }).first().waitFor({ state: "attached" });
    await look("clips out of date");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "Export anyway" }).waitFor();
    await look("export of clips out of date");
    expect(found).toEqual([]);
  });

  test("on the other screens", async ({ openCopy, rendered: { client }, studio }) => {
    const { page, document } = await openCopy({ colorScheme: theme });
    const { look, found } = await watch(page, client);
    await page.goto(`${studio.origin}/#/queue`);
    await page.getByText(/^Finished in/).first().waitFor();
    await look("queue");
    await page.getByRole("button", { name: /^More for/ }).first().click();
    await look("menu of a job");
    await page.getByRole("menuitem", { name: "Log" }).click();
    await page.getByRole("dialog").waitFor();
    await look("log");
    await page.keyboard.press("Escape");
    await page.goto(`${studio.origin}/#/`);
    const { name } = await document();
    await page.getByRole("button", { name: `Actions for ${name}` }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("dialog").waitFor();
    await look("rename");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: `Actions for ${name}` }).click();
    await page.getByRole("menuitem", { name: "Remove" }).click();
    await page.getByRole("alertdialog").waitFor();
    await look("remove");
    await page.keyboard.press("Escape");
    await page.goto(`${studio.origin}/#/new`);
    const portrait = page.getByRole("region", { name: "Portrait" });
    await portrait.locator("input[type=file]").setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await portrait.getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Examples" }).click();
    await page.getByRole("menuitem").first().waitFor();
    await look("new video with a file that is no picture");
    expect(found).toEqual([]);
  });
});
