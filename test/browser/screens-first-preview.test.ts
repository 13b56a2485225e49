import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, onTestFinished } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { connectTo } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";

const example = (name: string) => join(repositoryRoot, "resources", "examples", "anna", name);

/** Presses Tab until the element with this name has the focus. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (element instanceof HTMLTextAreaElement) return element.labels[0]?.textContent ?? "";
      return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
    });
    if (name.test(focused)) return;
  }
  throw new Error(`Tab does not reach ${String(name)}`);
}

const renderRuns = async (page: Page) => {
  await page.waitForURL(/#\/studio\//);
  await page.getByRole("link", { name: /\d+ jobs?/ }).waitFor();
};

/** What a test has started shall not slow the next one. */
test.afterEach(async ({ studio }) => {
  const client = await connectTo(await studio.newLink());
  for await (const jobs of await client.rpc.jobs.watch()) {
    for (const job of jobs) if (["queued", "running"].includes(job.state.status)) await client.rpc.jobs.cancel({ jobId: job.id });
    break;
  }
  client.close();
});

describe("from a fresh start to the first preview", () => {
  test("takes three choices and less than ten clicks", async ({ openPage }) => {
    const page = await openPage();
    let clicks = 0;
    const click = async (name: string | RegExp, role: "button" | "menuitem" = "button") => {
      await page.getByRole(role, { name }).first().click();
      clicks += 1;
    };
    await click("New video");
    await click("Use the portrait of Anna");
    await click(/Use the voice of Ben/);
    await click("Examples");
    await click("Presenter in an office", "menuitem");
    await click(/^Preview · about/);
    await renderRuns(page);
    expect(clicks).toBeLessThanOrEqual(10);
  });

  test("takes files, and says what it will need on this machine", async ({ openPage }) => {
    const page = await openPage();
    await page.goto(`${new URL(page.url()).origin}/#/new`);
    await page.getByRole("region", { name: "Portrait" }).locator("input[type=file]").setInputFiles(example("portrait.png"));
    await page.getByText("portrait.png", { exact: false }).first().waitFor();
    await page.getByRole("region", { name: "Voice" }).locator("input[type=file]").setInputFiles(example("voice.wav"));
    await page.getByText("voice.wav", { exact: false }).first().waitFor();
    await page.getByRole("textbox", { name: "Prompt" }).fill("A woman with short auburn hair speaks calmly in front of a plain wall.");
    const start = page.getByRole("button", { name: /^Preview · about .+ · .+B$/ });
    await start.waitFor();
    await expect.poll(() => start.isEnabled()).toBe(true);
    // What was chosen survives a reload: it is a project.
    await page.reload();
    await page.getByText("voice.wav", { exact: false }).first().waitFor();
    expect(await page.getByRole("textbox", { name: "Prompt" }).inputValue()).toContain("auburn hair");
  });

  test("goes by keyboard alone", async ({ openPage }) => {
    const page = await openPage();
    await page.getByRole("button", { name: "New video", exact: true }).waitFor();
    await tabTo(page, /^New video$/);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Use the portrait of Mei" }).waitFor();
    await tabTo(page, /^Use the portrait of Mei$/);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Another picture…" }).waitFor();
    await tabTo(page, /^Use the voice of Mei/);
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Another recording…" }).waitFor();
    await tabTo(page, /^Prompt$/);
    await page.keyboard.type("A woman with glasses speaks calmly, plain wall, cartoon style.");
    const start = page.getByRole("button", { name: /^Preview · about/ });
    await start.waitFor();
    await expect.poll(() => start.isEnabled()).toBe(true);
    await tabTo(page, /^Preview · about/);
    await page.keyboard.press("Enter");
    await renderRuns(page);
  });

  test("is two clicks with a ready example", async ({ openPage }) => {
    const page = await openPage();
    await page.getByRole("button", { name: /^Ben · / }).click();
    await page.getByRole("button", { name: /^Preview · about/ }).click();
    await page.waitForURL(/#\/studio\//);
  });
});

describe("what is wrong", () => {
  test("is said in its column", async ({ openPage }) => {
    const page = await openPage();
    await page.goto(`${new URL(page.url()).origin}/#/new`);
    const portrait = page.getByRole("region", { name: "Portrait" });
    await portrait.locator("input[type=file]").setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
    await portrait.getByText("This is not a picture.").waitFor();
    await portrait.locator("input[type=file]").setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture either") });
    await expect.poll(async () => (await portrait.getByRole("alert").textContent()) ?? "").not.toContain("This is not a picture.");
    expect(await portrait.getByRole("alert").locator("code, p").count()).toBeGreaterThan(2);
    await page.getByRole("textbox", { name: "Prompt" }).fill("word ".repeat(5_000));
    await page.getByText(/longer than 20000 characters/).waitFor();
    await page.getByText("A portrait is still missing.").waitFor();
    expect(await page.getByRole("button", { name: /^Preview/ }).isEnabled()).toBe(false);
  });

  test("leaves no empty project behind", async ({ openPage, studio }) => {
    const page = await openPage();
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const count = async () => (await client.rpc.projects.list()).length;
    const before = await count();
    await page.goto(`${studio.origin}/#/new`);
    const portrait = page.getByRole("region", { name: "Portrait" });
    await portrait.locator("input[type=file]").setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await portrait.getByRole("alert").waitFor();
    await page.getByRole("link", { name: "Home" }).click();
    await expect.poll(count).toBe(before);
  });
});
