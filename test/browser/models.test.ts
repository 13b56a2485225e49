import { expect } from "vitest";
import { startHub } from "../support/hub.ts";
import { connectTo } from "../support/studio-client.ts";
import { test } from "../support/studio-test.ts";

test("a model is downloaded from the page, told apart from the demo model, and deleted after a question", async ({ openPage, studio, onTestFinished }) => {
  const hub = await startHub(2);
  onTestFinished(hub.stop);
  const page = await openPage();
  await page.goto(`${new URL(page.url()).origin}/#/setup`);
  const models = page.getByRole("region", { name: "Models" });
  await models.getByRole("button", { name: "Download…" }).click();
  const dialog = page.getByRole("dialog", { name: "Download the full model" });
  await dialog.getByText(/from https:\/\/huggingface\.co, about 49/).waitFor();
  const start = dialog.getByRole("button", { name: "Download now" });

  // What cannot be an address is said at its field, and nothing is fetched.
  await dialog.getByLabel("Mirror").fill("mirror");
  await dialog.getByText("This is not an address such as https://mirror.example.org.").waitFor();
  expect(await start.isDisabled()).toBe(true);
  await dialog.getByLabel("Mirror").fill(hub.url);
  await dialog.getByText(new RegExp(`from ${hub.url}`)).waitFor();
  expect((await hub.stats()).requests).toBe(0);
  await start.click();
  await dialog.waitFor({ state: "detached" });

  const row = models.getByRole("listitem").filter({ hasText: "Wan2.2-S2V-14B" });
  await row.getByText("Ready").waitFor();
  await row.getByRole("button", { name: "What it can do here" }).click();
  await row.getByRole("rowheader", { name: "704 × 384" }).waitFor();
  await row.getByRole("button", { name: "Delete…" }).click();
  const question = page.getByRole("alertdialog", { name: "Delete the model “Wan2.2-S2V-14B” from this disk?" });
  await question.getByText(/This frees \d+/).waitFor();
  await question.getByRole("button", { name: "Delete…" }).click();
  await row.waitFor({ state: "detached" });
  const client = await connectTo(await studio.newLink());
  expect((await client.rpc.models.list()).map((model) => model.id)).toEqual(["demo"]);
  client.close();
});
