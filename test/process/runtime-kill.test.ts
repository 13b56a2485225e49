import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { silentLogger } from "../../electron/server/common/logger.ts";
import { findRuntime } from "../../electron/server/runtime/find-runtime.ts";
import { verifyFiles } from "../../electron/server/runtime/install/verify-files.ts";
import { createRuntimeManager, type RuntimeManager } from "../../electron/server/runtime/runtime-manager.ts";
import { makeSmallArchive, random } from "../support/small-runtime.ts";

const ROUNDS = 30;
/** Rounds in which the kill falls right behind the trial, and behind the last rename. */
const AT_PROBE = 3;
const AT_RENAME = 3;
const SEED = 20_261_122;

let scratch: string;
let first: string;
let second: string;
/** A folder with the first archive installed: how every round begins. */
let begun: string;
let reports: number;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "avatar-studio-runtime-kill-"));
  first = await makeSmallArchive(join(scratch, "first"), { seed: 1 });
  second = await makeSmallArchive(join(scratch, "second"), { seed: 2 });
  begun = join(scratch, "begun");
  await install(first, begun, "never");
  reports = Number((await install(second, join(scratch, "counted"), "never")).output);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Installs in a process of its own. */
async function install(index: string, folder: string, when: string): Promise<{ readonly signal: NodeJS.Signals | null; readonly output: string }> {
  const loader = pathToFileURL(join(repositoryRoot, "build", "typescript-loader.mjs")).href;
  const child = spawn(process.execPath, ["--import", loader, join(repositoryRoot, "test", "process", "support", "install-once.ts"), index, folder, when], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code !== null && code !== 0) throw new Error(`The installer ended with ${String(code)}.`);
  return { signal, output };
}

const placesOf = (folder: string) => ({ override: null, installation: join(scratch, "nothing"), installed: folder });
const whole = async (folder: string): Promise<void> => verifyFiles(folder, () => undefined, new AbortController().signal);

async function startManager(folder: string): Promise<readonly [RuntimeManager, () => Promise<void>]> {
  return createRuntimeManager({
    folder,
    places: placesOf(folder),
    archiveFolders: () => Promise.resolve([]),
    engineVersion: "0.1.0",
    gpus: () => Promise.resolve({ driver: null, capabilities: [] }),
    networkAllowed: () => false,
    onChanged: () => undefined,
    logger: silentLogger,
  });
}

test(`an installation killed at ${String(ROUNDS)} points: a whole runtime is used at every moment, and the next start finishes the work`, async () => {
  const next = random(SEED);
  const points = [...Array.from({ length: ROUNDS - AT_PROBE - AT_RENAME }, () => String(1 + Math.floor(next() * reports))), ...Array.from({ length: AT_PROBE }, () => "probe"), ...Array.from({ length: AT_RENAME }, () => "renamed")];
  for (const [round, point] of points.entries()) {
    const folder = join(scratch, `round ${String(round)} 名前`);
    cpSync(begun, folder, { recursive: true });
    const { signal } = await install(second, folder, point);
    expect(signal, `point ${point}`).toBe("SIGKILL");

    // What is used now is whole: the old one, or the new one when the rename was reached.
    const used = await findRuntime(placesOf(folder));
    await whole(used.folder);
    const renamed = readdirSync(folder).some((name) => name.startsWith("2-"));
    expect(used.folder, `point ${point}`).toContain(renamed ? "2-" : "1-");

    // The next start of the studio.
    const [manager, close] = await startManager(folder);
    await manager.settled();
    const newest = await findRuntime(placesOf(folder));
    await whole(newest.folder);
    expect(newest.folder, `point ${point}`).not.toContain(join(folder, "1-"));
    expect(manager.state().activity.kind, `point ${point}`).toBe(renamed ? "idle" : "done");
    await close();
    const names = readdirSync(folder).sort();
    expect(names.filter((name) => !/^\d+-/.test(name)), `point ${point}`).toEqual([]);
    // The one before is kept.
    expect(names.filter((name) => name.startsWith("1-"))).toHaveLength(1);
    expect(names).toHaveLength(2);
    rmSync(folder, { recursive: true });
  }
});
