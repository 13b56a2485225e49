import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
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

test("before files are brought into a folder of the user's own, the page asks and names it", async ({ openPage, studio, onTestFinished }) => {
  const hub = await startHub(0);
  onTestFinished(hub.stop);
  const parent = mkdtempSync(join(tmpdir(), "avatar-studio-own-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, "My model");
  cpSync(join(repositoryRoot, "resources", "models", "demo"), folder, { recursive: true });
  rmSync(join(folder, "Wan2.1_VAE.pth"));
  const client = await connectTo(await studio.newLink());
  onTestFinished(() => client.close());
  await client.rpc.settings.change({ downloads: { endpoint: hub.url, proxy: null, megabytesPerSecond: null, connections: 2 } });
  studio.child.send({ kind: "register-path", requestId: 1, path: folder, access: "read" });
  const [{ handle }] = (await once(studio.child, "message")) as [{ readonly handle: string }];
  await client.rpc.models.import({ handle, how: "link" });

  const page = await openPage();
  await page.goto(`${new URL(page.url()).origin}/#/setup`);
  const row = page.getByRole("region", { name: "Models" }).getByRole("listitem").filter({ hasText: "My model" });
  const question = page.getByRole("alertdialog", { name: "Write into your own folder?" });
  await row.getByRole("button", { name: "Fetch damaged files again" }).click();
  await question.getByText(folder).waitFor();
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  expect(readdirSync(folder)).not.toContain(".model-store");
  await row.getByRole("button", { name: "Fetch damaged files again" }).click();
  await question.getByRole("button", { name: "Mend it there" }).click();
  await row.getByText("Ready").waitFor();
  expect(readdirSync(folder)).toContain("Wan2.1_VAE.pth");
});
