import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { identify, isAlive, parseLock, withLock } from "./lock.mjs";

let folder = "";
let lock = "";
const options = { onWait: () => {}, pollMilliseconds: 5 };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-lock-"));
  lock = join(folder, "lock");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process number that is certainly not in use any more. */
function deadPid() {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

test("two pieces of work under one lock never overlap, and nothing is left behind", async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  await Promise.all([1, 2, 3, 4].map(() => withLock(lock, options, work)));
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(folder), []);
});

test("who waits is told once by whom", async () => {
  /** @type {number[]} */
  const told = [];
  const onWait = (/** @type {number} */ pid) => {
    told.push(pid);
    rmSync(lock);
  };
  writeFileSync(lock, JSON.stringify({ owner: identify(process.pid), installer: null }));
  await withLock(lock, { onWait, pollMilliseconds: 1 }, async () => {});
  assert.deepEqual(told, [process.pid]);
});

test("the lock of a dead process is taken over", async () => {
  writeFileSync(lock, JSON.stringify({ owner: { pid: deadPid(), started: "1" }, installer: null }));
  assert.equal(await withLock(lock, options, async () => "done"), "done");
  assert.ok(!existsSync(lock));
});

test("a lock that was cut off while being written is taken over", async () => {
  writeFileSync(lock, '{"owner": {"pi');
  assert.equal(await withLock(lock, options, async () => "done"), "done");
});

test("a process number used again by another process does not hold the lock", async () => {
  writeFileSync(lock, JSON.stringify({ owner: { pid: process.pid, started: "1" }, installer: null }));
  assert.equal(await withLock(lock, options, async () => "done"), "done");
});

test("an installer that outlived its set-up still holds the lock", async () => {
  const installer = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise((resolve) => installer.once("exit", resolve));
  await new Promise((resolve) => installer.once("spawn", resolve));
  const identity = identify(/** @type {number} */ (installer.pid));
  writeFileSync(lock, JSON.stringify({ owner: { pid: deadPid(), started: "1" }, installer: identity }));
  let waited = false;
  const onWait = () => {
    waited = true;
    installer.stdin?.end();
  };
  await withLock(lock, { onWait, pollMilliseconds: 5 }, async () => assert.ok(!isAlive(identity)));
  await ended;
  assert.ok(waited);
});

test("the lock is released when the work fails", async () => {
  await assert.rejects(withLock(lock, options, async () => { throw new Error("disk full"); }), /disk full/);
  assert.ok(!existsSync(lock));
});

test("the installer's identity is written into the lock", async () => {
  await withLock(lock, options, async (noteInstaller) => {
    noteInstaller(process.pid);
    assert.deepEqual(parseLock(readFileSync(lock, "utf8"))?.installer, identify(process.pid));
  });
});
