import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { decodedFrames } from "../process/support/decoded-frames.ts";
import { startBrowser } from "../support/browser.ts";
import { runningProcesses } from "../support/processes.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { openEditingWindow } from "./kills-page.ts";

/**
 * Kills the page's renderer process, the worker and the server at random moments while a project is edited and rendered, and counts what was lost:
 * `npm run bench -- kills [times]`. Ends with 1 when anything was. The page is a real one in Chromium, edited by its keys.
 */
const times = Number(process.argv[2] ?? 20);
const EDIT_EVERY_MILLISECONDS = 100;
/** What the studio promises: an edit this old survives. */
const SAFE_EDIT_MILLISECONDS = 1_000;
const LONGEST_WAIT_MILLISECONDS = 2_000;
/** So that a window that is killed has edits of more than a second ago to lose. */
const LEAST_EDITING_MILLISECONDS = 1_500;

const dataFolder = mkdtempSync(join(tmpdir(), "avatar-studio-kills-"));
const losses: string[] = [];
let lossesTold = 0;
let windowWords = "";
const killed = { renderer: 0, server: 0, worker: 0 };
let edits = 0;
let clipsSeen = 0;
/** Edits of the last second before a renderer was killed that are gone: allowed, and told. */
let unsafeEditsLost = 0;

/** The project as a page would hold it; every seed is another render. */
interface Page {
  readonly projectId: string;
  readonly client: StudioClient;
  revision: number;
  document: ProjectDocument;
  /** Edits that the server has taken, by number, with the time of it. */
  readonly saved: { readonly edit: number; readonly at: number }[];
}

const editOf = (document: ProjectDocument): number => Number(/\d+$/.exec(document.name)?.[0] ?? 0);

async function openPage(studio: Studio, projectId: string): Promise<Page> {
  const client = await connectTo(await studio.newLink());
  const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
  return { projectId, client, revision, document, saved: [] };
}

async function save(page: Page, document: ProjectDocument): Promise<void> {
  const { revision } = await page.client.rpc.projects.save({ projectId: page.projectId, baseRevision: page.revision, windowId: "page", document });
  page.revision = revision;
  page.document = document;
}

/** Edits until the server dies, for as long as `going`. */
async function keepEditing(page: Page, going: () => boolean): Promise<void> {
  while (going()) {
    const edit = editOf(page.document) + 1;
    try {
      await save(page, { ...page.document, name: `Edit ${String(edit)}` });
    } catch {
      return;
    }
    page.saved.push({ edit, at: performance.now() });
    edits += 1;
    await delay(EDIT_EVERY_MILLISECONDS);
  }
}

/** A render is queued or runs; with a new seed when the last one is finished. */
async function ensureRendering(page: Page): Promise<void> {
  const jobs = page.client.rpc.jobs;
  for await (const list of await jobs.watch()) {
    const busy = list.some(({ state }) => state.status === "queued" || state.status === "running");
    const failed = list.find(({ state }) => state.status === "failed");
    if (failed !== undefined) losses.push(`a job failed: ${JSON.stringify(failed.state)}`);
    for (const job of list) if (job.state.status === "failed") await jobs.forget({ jobId: job.id });
    if (!busy) {
      const { settings } = page.document;
      await save(page, { ...page.document, settings: { ...settings, baseSeed: settings.baseSeed + 1 } });
      await jobs.render({ projectId: page.projectId, quality: "final", scope: { kind: "all" } });
    }
    return;
  }
}

/** Hashes of the finished clips, by seed. */
async function finishedClips(page: Page): Promise<{ readonly seed: number; readonly hashes: readonly string[] }> {
  const { outputs } = await page.client.rpc.projects.open({ kind: "id", projectId: page.projectId });
  const output = outputs.find(({ quality }) => quality === "final");
  return { seed: output?.ingredients.baseSeed ?? 0, hashes: output?.clips.map((clip) => clip.contentHash) ?? [] };
}

function compareClips(before: Awaited<ReturnType<typeof finishedClips>>, after: Awaited<ReturnType<typeof finishedClips>>, when: string): void {
  clipsSeen += before.hashes.length;
  if (before.seed !== after.seed) return;
  const lost = before.hashes.filter((hash, index) => after.hashes[index] !== hash).length;
  if (lost > 0) losses.push(`${when}: ${String(lost)} finished clips lost`);
}

/** A window edits alone until its process is killed; the server, the render and the next window know nothing of it. */
async function killRenderer(studio: Studio, page: Page, round: number): Promise<void> {
  const window = await openEditingWindow(browser, await studio.newLink(), page.projectId, `Round ${String(round)}`);
  await sometimesForClips(page);
  await delay(LEAST_EDITING_MILLISECONDS + Math.random() * LONGEST_WAIT_MILLISECONDS);
  const before = await finishedClips(page);
  const killedAt = await window.kill(round % 2 === 0 ? "crash" : "SIGKILL");
  killed.renderer += 1;
  await window.close();
  edits += window.made.length;
  if (window.made.length === 0) losses.push(`renderer kill ${String(round)}: no edit was made before it`);
  const { document, revision } = await page.client.rpc.projects.open({ kind: "id", projectId: page.projectId });
  // A later edit names the marker of an earlier one anew: the newest tells how far the project was saved.
  const names = new Set(document.markers.map((marker) => marker.label));
  const kept = window.made.findLastIndex(({ name }) => names.has(name)) + 1;
  const safe = window.made.filter(({ at }) => killedAt - at > SAFE_EDIT_MILLISECONDS).length;
  if (kept < safe) losses.push(`renderer kill ${String(round)}: ${String(safe)} edits were older than a second, ${String(kept)} are left`);
  unsafeEditsLost += Math.min(window.made.length - safe, window.made.length - kept);
  windowWords = `${String(kept)} of ${String(safe)} safe edits, ${String(before.hashes.length)} clips`;
  compareClips(before, await finishedClips(page), `renderer kill ${String(round)}`);
  page.document = { ...document, markers: [] };
  page.revision = revision;
}

const workerOf = (studio: Studio): number | undefined => studio.family().find(({ command }) => command.includes("live_avatar.worker"))?.pid;

const browser = await startBrowser();
const studios: Studio[] = [];
async function start(): Promise<Studio> {
  const studio = await startStudio({ dataFolder });
  studios.push(studio);
  return studio;
}

try {
  const first = await start();
  const client = await connectTo(first.link);
  const { projectId } = await client.rpc.projects.create({ name: "Edit 0", example: "anna" });
  client.close();
  let page = await openPage(first, projectId);
  const quality = { width: 64, height: 64, sampleSteps: 4 };
  await save(page, { ...page.document, settings: { ...page.document.settings, inferFrames: 12, preview: quality, final: quality } });

  let studio = first;
  for (let round = 1; round <= times; round += 1) {
    await ensureRendering(page);
    // The window of a user, alone: another one that edits the same project would make it ask.
    await killRenderer(studio, page, round);
    let going = true;
    const editing = keepEditing(page, () => going);
    // The worker: the server lives, edits go on, the job goes on by itself.
    await sometimesForClips(page);
    await delay(Math.random() * LONGEST_WAIT_MILLISECONDS);
    const beforeWorker = await finishedClips(page);
    const pid = workerOf(studio);
    if (pid !== undefined) {
      process.kill(pid, "SIGKILL");
      killed.worker += 1;
    }
    compareClips(beforeWorker, await finishedClips(page), `worker kill ${String(round)}`);

    // The server: another one takes over.
    await sometimesForClips(page);
    await delay(Math.random() * LONGEST_WAIT_MILLISECONDS);
    const beforeServer = await finishedClips(page);
    const old = studio;
    await old.kill();
    killed.server += 1;
    const killedAt = performance.now();
    going = false;
    await editing;
    const safe = page.saved.filter(({ at }) => killedAt - at > SAFE_EDIT_MILLISECONDS).at(-1)?.edit ?? 0;
    page.client.close();

    studio = await start();
    page = await openPage(studio, projectId);
    const edit = editOf(page.document);
    if (edit < safe) losses.push(`server kill ${String(round)}: edit ${String(safe)} was older than a second, ${String(edit)} is what is left`);
    compareClips(beforeServer, await finishedClips(page), `server kill ${String(round)}`);
    await ensureWorkerGone(old, round);
    console.log(`round ${String(round)} of ${String(times)}: edit ${String(edit)} of ${String(safe)} safe ones, ${String(beforeServer.hashes.length)} clips; window: ${windowWords}; ${String(losses.length)} losses`);
    for (const loss of losses.slice(lossesTold)) console.log(`  ${loss}`);
    lossesTold = losses.length;
  }

  await waitUntilIdle(page);
  const seed = page.document.settings.baseSeed;
  await page.client.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "all" } });
  await waitUntilIdle(page);
  const { folder, outputs } = await page.client.rpc.projects.open({ kind: "id", projectId });
  const take = join(outputs[0]?.takeId ?? "");
  const same = JSON.stringify(decodedFrames(join(folder, "renders", "final", take))) === JSON.stringify(decodedFrames(join(folder, "renders", "preview", take)));
  if (!same) losses.push(`the pictures of seed ${String(seed)} differ from those of a quiet render`);
  page.client.close();
  await studio.stop();
} finally {
  await browser.close();
  for (const one of studios) await one.clean();
  rmSync(dataFolder, { recursive: true, force: true });
}

console.log(`killed: renderer ${String(killed.renderer)}, worker ${String(killed.worker)}, server ${String(killed.server)} times; ${String(edits)} edits, ${String(clipsSeen)} clips looked at`);
console.log(`edits of the last second before a renderer was killed that are gone, as is allowed: ${String(unsafeEditsLost)}`);
console.log(losses.length === 0 ? "nothing was lost, no process was left" : losses.join("\n"));
process.exitCode = losses.length === 0 ? 0 : 1;

/** Mostly wait until the render has clips to lose; otherwise kills would mostly meet a worker that still starts. */
async function sometimesForClips(page: Page): Promise<void> {
  if (Math.random() < 0.25) return;
  for await (const list of await page.client.rpc.jobs.watch()) {
    if (list.every(({ state }) => state.status !== "queued" && (state.status !== "running" || state.clipsDone - state.clipsReused >= 1))) return;
  }
}

/** The new server starts its worker only when the old one's is gone. */
async function ensureWorkerGone(old: Studio, round: number): Promise<void> {
  for (let look = 0; look < 150; look += 1) {
    if (old.family().length === 0) return;
    await delay(100);
  }
  losses.push(`server kill ${String(round)}: ${String(runningProcesses().filter(({ pid }) => old.family().some((one) => one.pid === pid)).length)} processes left`);
}

async function waitUntilIdle(page: Page): Promise<void> {
  for await (const list of await page.client.rpc.jobs.watch()) {
    if (list.every(({ state }) => ["finished", "failed", "cancelled"].includes(state.status))) return;
  }
}
