import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identityOf, isStillRunning, type ProcessIdentity } from "../common/process-identity.ts";
import { endOrphan, recordProcess } from "./process-record.ts";

let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-record-"));
  path = join(folder, "worker.json");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A program in its own group, which ends on SIGTERM only if it is `polite`. */
async function startProgram(polite: boolean): Promise<ProcessIdentity> {
  const script = `${polite ? "" : "process.on('SIGTERM', () => {});"} setInterval(() => {}, 1000); process.stdout.write("ready");`;
  const child = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  await once(child.stdout, "data");
  const identity = await identityOf(child.pid ?? 0);
  if (identity === null) throw new Error("It has no identity.");
  return identity;
}
const patience = { politeMilliseconds: 0, firmMilliseconds: 2_000 };

test.each([true, false])("the recorded process is ended, willing (%s) or not", async (polite) => {
  const identity = await startProgram(polite);
  await recordProcess(path, identity);
  expect(await endOrphan(path, { ...patience, firmMilliseconds: polite ? 5_000 : 300 })).toBe(true);
  expect(await isStillRunning(identity)).toBe(false);
  expect(existsSync(path)).toBe(false);
});

test("a process that only has the number of ours is left alone", async () => {
  const identity = await startProgram(true);
  await recordProcess(path, { ...identity, startTime: `${identity.startTime}0` });
  expect(await endOrphan(path, patience)).toBe(false);
  expect(await isStillRunning(identity)).toBe(true);
  expect(existsSync(path)).toBe(false);
});

test("no record, and a damaged one, name nobody", async () => {
  expect(await endOrphan(path, patience)).toBe(false);
  for (const text of ["", "{", "[]", '{"pid":-1,"startTime":"x"}', `{"pid":${process.pid}}`]) {
    writeFileSync(path, text);
    expect(await endOrphan(path, patience)).toBe(false);
  }
});
