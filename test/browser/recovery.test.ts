import type { Page, WebSocketRoute } from "playwright-core";
import { describe, expect, onTestFinished } from "vitest";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { killIfThere } from "../support/processes.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { test } from "../support/studio-test.ts";
import { newestJob } from "./rendered-studio.ts";
import { makeSmallVideo, type SmallVideo } from "./small-video.ts";
import { clipStates, FRESH, goToFrame, showStudio, untilRendered } from "./studio-page.ts";

const CLIPS = 6;

const workersOf = (studio: Studio) => studio.family().filter(({ command }) => command.includes("live_avatar.worker"));

async function markersOf(client: StudioClient, { projectId }: SmallVideo): Promise<string[]> {
  return (await client.rpc.projects.open({ kind: "id", projectId })).document.markers.map((marker) => marker.label);
}

/** Marks a frame with a name, by keys. */
async function mark(page: Page, frame: number, name: string): Promise<void> {
  await goToFrame(page, frame);
  await page.keyboard.press("m");
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
  await page.keyboard.press("Enter");
}

const saved = (page: Page) => page.getByRole("status").getByText("Saved", { exact: true });

/** Starts a render by keys, and waits until its first clip is there and not its last. */
async function renderSome(page: Page): Promise<void> {
  await page.keyboard.press("Control+Enter");
  await expect.poll(async () => (await clipStates(page)).filter((state) => state === FRESH).length, { timeout: 120_000, interval: 100 }).toBeGreaterThan(0);
  expect((await clipStates(page)).at(-1)).not.toBe(FRESH);
}

describe("nothing is lost", { timeout: 300_000 }, () => {
  test("when the server is killed while it renders and while one edits: the page and the render go on", async ({ openPage }) => {
    const first = await startStudio();
    onTestFinished(first.clean);
    const client = await connectTo(await first.newLink());
    const video = await makeSmallVideo(client, "Killed", CLIPS);
    const page = await openPage({ link: first.link, expectedErrors: [/WebSocket|ERR_CONNECTION|Failed to load/] });
    await showStudio(page, video.projectId);
    await renderSome(page);
    await mark(page, 10, "before");
    await saved(page).waitFor();
    expect(workersOf(first)).toHaveLength(1);
    await first.kill();
    client.close();

    // The page says so, and takes edits all the same.
    await page.getByText("The connection to the studio is lost.", { exact: false }).waitFor();
    await mark(page, 20, "meanwhile");
    await page.getByText("Waiting for the connection", { exact: true }).waitFor();

    const second = await startStudio({ dataFolder: first.dataFolder, arguments: ["--server-port", new URL(first.origin).port] });
    onTestFinished(second.clean);
    const again = await connectTo(second.link);
    onTestFinished(again.close);
    await page.getByText("The connection to the studio is lost.", { exact: false }).waitFor({ state: "detached" });
    await saved(page).waitFor();
    expect(await markersOf(again, video)).toEqual(["before", "meanwhile"]);

    await untilRendered(page, CLIPS);
    const { state } = await newestJob(again, video.projectId);
    expect(state).toMatchObject({ status: "finished", clipsDone: CLIPS });
    expect(state.clipsReused).toBeGreaterThan(0);
    // The worker of the killed server has ended by itself, or the next server has ended it.
    await expect.poll(() => first.family()).toEqual([]);
    await second.stop();
  });

  test("when what was never opened is opened while the server is away: it opens, and the edits are kept", async ({ openPage }) => {
    const first = await startStudio();
    onTestFinished(first.clean);
    const client = await connectTo(await first.newLink());
    const video = await makeSmallVideo(client, "Away", 2);
    const page = await openPage({ link: first.link, expectedErrors: [/WebSocket|ERR_CONNECTION|Failed to load/] });
    await showStudio(page, video.projectId);
    await page.waitForLoadState("networkidle");
    await first.kill();
    client.close();
    await page.getByText("The connection to the studio is lost.", { exact: false }).waitFor();
    await mark(page, 20, "meanwhile");

    const dialog = page.getByRole("dialog");
    for (const open of [() => page.keyboard.press("Control+k"), () => page.getByRole("button", { name: "Export", exact: true }).click()]) {
      await open();
      await dialog.waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }

    const second = await startStudio({ dataFolder: first.dataFolder, arguments: ["--server-port", new URL(first.origin).port] });
    onTestFinished(second.clean);
    await saved(page).waitFor();
    const again = await connectTo(second.link);
    onTestFinished(again.close);
    expect(await markersOf(again, video)).toEqual(["meanwhile"]);
    await second.stop();
  });

  test("when the worker is killed while it renders", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const video = await makeSmallVideo(client, "Worker", CLIPS);
    const page = await openPage();
    await showStudio(page, video.projectId);
    await renderSome(page);
    const [worker, ...others] = workersOf(studio);
    expect(others).toEqual([]);
    killIfThere(worker?.pid ?? 0);
    await untilRendered(page, CLIPS);
    expect((await newestJob(client, video.projectId)).state).toMatchObject({ status: "finished", clipsDone: CLIPS });
    expect(workersOf(studio).map(({ pid }) => pid)).not.toContain(worker?.pid);
  });

  test("when the page is left in the middle of typing: it asks while the server does not have everything", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const video = await makeSmallVideo(client, "Reloaded", 2);
    const page = await openPage();
    const line = await holdableLine(page);
    await showStudio(page, video.projectId);
    const choose = async () => {
      await page.getByRole("listbox", { name: /^Prompt, segments/ }).focus();
      await page.keyboard.press("ArrowDown");
    };
    await choose();
    const field = page.getByRole("textbox", { name: "What is to be seen" });
    await field.fill("");
    line.hold();
    await field.pressSequentially("She laughs at the rain");
    const asked = page.waitForEvent("dialog");
    await page.close({ runBeforeUnload: true });
    const question = await asked;
    expect(question.type()).toBe("beforeunload");
    await question.dismiss();
    line.release();
    await saved(page).waitFor();
    // Now it does not ask.
    await page.reload();
    await choose();
    expect(await field.inputValue()).toBe("She laughs at the rain");
  });

  test("when the studio is left while edits wait for the server: they are sent all the same, and going back shows them", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const video = await makeSmallVideo(client, "Left", 2);
    const page = await openPage();
    const line = await holdableLine(page);
    await showStudio(page, video.projectId);
    line.hold();
    await mark(page, 10, "sent");
    await mark(page, 20, "waits");
    await page.getByRole("link", { name: "Queue" }).click();
    await page.getByRole("heading", { name: "Queue" }).waitFor();
    await page.goBack();
    await page.getByRole("button", { name: "Undo: Rename marker" }).waitFor();
    await page.goForward();
    await page.getByRole("heading", { name: "Queue" }).waitFor();
    expect(await markersOf(client, video)).toEqual([]);
    line.release();
    await expect.poll(() => markersOf(client, video)).toEqual(["sent", "waits"]);
  });

  test("when two windows change one project without hearing of each other", async ({ openPage, studio }) => {
    const client = await connectTo(await studio.newLink());
    onTestFinished(client.close);
    const video = await makeSmallVideo(client, "Two windows", 2);
    const [here, there] = [await openPage(), await openPage()];
    const line = await holdableLine(there);
    await showStudio(here, video.projectId);
    await showStudio(there, video.projectId);

    line.hold();
    await mark(there, 5, "there");
    await mark(here, 9, "here");
    await saved(here).waitFor();
    line.release();
    await there.getByText("The project was changed in another window.").waitFor();
    // Until the user has decided, neither version is overwritten.
    expect(await markersOf(client, video)).toEqual(["here"]);
    await there.getByRole("button", { name: "Keep this window's version" }).click();
    await expect.poll(() => markersOf(client, video)).toEqual(["there"]);
    // The other version is one step back, in both windows.
    await there.getByRole("button", { name: /^Undo/ }).click();
    await expect.poll(() => markersOf(client, video)).toEqual(["here"]);
    await there.getByRole("button", { name: /^Redo/ }).click();
    await expect.poll(() => markersOf(client, video)).toEqual(["there"]);
    await here.getByRole("button", { name: "Undo: Change in another window" }).click();
    await expect.poll(() => markersOf(client, video)).toEqual(["here"]);
  });
});

/** Lets a page's connection be held: what is sent either way waits, as on a network that hangs. */
async function holdableLine(page: Page): Promise<{ readonly hold: () => void; readonly release: () => void }> {
  let held = false;
  const waiting: (() => void)[] = [];
  const pass = (send: () => void): void => {
    if (held) waiting.push(send);
    else send();
  };
  await page.routeWebSocket(/\/rpc/, (socket: WebSocketRoute) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => pass(() => server.send(message)));
    server.onMessage((message) => pass(() => socket.send(message)));
  });
  await page.reload();
  return {
    hold: () => {
      held = true;
    },
    release: () => {
      held = false;
      for (const send of waiting.splice(0)) send();
    },
  };
}
