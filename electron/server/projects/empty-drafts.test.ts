import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../common/logger.ts";
import { isEmptyDraft } from "./empty-drafts.ts";
import { type Examples } from "./examples.ts";
import { createProjects, type Projects } from "./projects.ts";

let folder: string;
let close: () => Promise<void>;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "drafts-"))));
afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true, force: true });
});

const noExamples: Examples = { list: () => Promise.resolve([]), fileOf: () => Promise.reject(new Error("none")), promptOf: () => Promise.reject(new Error("none")) };

async function open(draftMilliseconds = 0): Promise<Projects> {
  const [projects, end] = await createProjects({ folder: join(folder, "projects"), registryPath: join(folder, "projects.json"), wastebasketFolder: join(folder, "wastebasket"), examples: noExamples, probe: () => Promise.reject(new Error("no files")), isBusy: () => false, logger: silentLogger, draftMilliseconds });
  close = end;
  return projects;
}
const folderOf = async (projects: Projects, id: string): Promise<string> => (await projects.state(id)).folder;

/** A window that opens the project and goes. */
async function visit(projects: Projects, id: string, work: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  const window = new AbortController();
  const events = await projects.watch(id, { signal: window.signal });
  const first = events.next();
  await work();
  window.abort();
  await first.catch(() => undefined);
}

test("a project to which nothing was added goes with its last window; one that was edited stays", async () => {
  const projects = await open();
  const [empty, named] = [await projects.create(null, null), await projects.create(null, null)];
  const [emptyFolder, namedFolder] = [await folderOf(projects, empty), await folderOf(projects, named)];
  await visit(projects, named, async () => projects.rename(named, "Mine"));
  await visit(projects, empty);
  await vi.waitFor(() => expect(existsSync(emptyFolder)).toBe(false));
  expect((await projects.list()).map((project) => project.id)).toEqual([named]);
  expect(existsSync(namedFolder) || existsSync(await folderOf(projects, named))).toBe(true);
});

test("another window, or one that comes back in time, keeps it", async () => {
  const projects = await open(30_000);
  const id = await projects.create(null, null);
  const where = await folderOf(projects, id);
  await visit(projects, id);
  await visit(projects, id);
  expect(existsSync(where)).toBe(true);
});

test("at the next start old empty projects are dropped, fresh ones and all that holds anything stay", async () => {
  const first = await open();
  const ids = [];
  for (let index = 0; index < 3; index += 1) ids.push(await first.create(null, null));
  const [old = "", fresh = "", filled = ""] = await Promise.all(ids.map((id) => folderOf(first, id)));
  await close();
  const before = new Date(Date.now() - 3_600_000);
  for (const one of [old, filled]) utimesSync(join(one, "project.avatar"), before, before);
  writeFileSync(join(filled, "media", "voice-12345678.wav"), "sound");
  const second = await open();
  await vi.waitFor(() => expect(existsSync(old)).toBe(false));
  expect([existsSync(fresh), existsSync(filled)]).toEqual([true, true]);
  expect((await second.list()).length).toBe(2);
});

test("what somebody put into the folder is nothing to delete", async () => {
  const projects = await open();
  const where = await folderOf(projects, await projects.create(null, null));
  expect(await isEmptyDraft(where, 0, Date.now())).toBe(true);
  mkdirSync(join(where, "notes"));
  expect(await isEmptyDraft(where, 0, Date.now())).toBe(false);
  expect(await isEmptyDraft(join(folder, "nowhere"), 0, Date.now())).toBe(false);
});
