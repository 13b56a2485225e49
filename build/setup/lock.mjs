import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A process by identity, not only by number: numbers are used again.
 * @typedef {{ pid: number, started: string | null }} ProcessIdentity
 */

/**
 * The lock's content: who sets up, and the installer it started, which may outlive it.
 * @typedef {{ owner: ProcessIdentity, installer: ProcessIdentity | null }} LockContent
 */

/**
 * @param {number} pid
 * @returns {ProcessIdentity}
 */
export function identify(pid) {
  return { pid, started: startTime(pid) };
}

/**
 * Start time of a process in kernel ticks; null where /proc does not exist or the process is gone.
 * @param {number} pid
 */
function startTime(pid) {
  try {
    // The command name may hold spaces and brackets; fields are counted after its closing one. Start time is field 22.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

/**
 * Whether exactly this process still runs.
 * @param {ProcessIdentity | null} identity
 */
export function isAlive(identity) {
  if (identity === null) return false;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPERM") return false;
  }
  return startTime(identity.pid) === identity.started;
}

/**
 * @param {string} text
 * @returns {LockContent | null} null for a file that was cut off while being written
 */
export function parseLock(text) {
  try {
    const value = JSON.parse(text);
    return typeof value?.owner?.pid === "number" ? value : null;
  } catch {
    return null;
  }
}

/**
 * Hold the lock while `work` runs. A lock whose processes are gone is taken over.
 * @template Result
 * @param {string} path
 * @param {{ onWait: (pid: number) => void, pollMilliseconds?: number }} options `onWait` is called once when somebody else holds it
 * @param {(noteInstaller: (pid: number) => void) => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function withLock(path, options, work) {
  /** @type {LockContent} */
  const mine = { owner: identify(process.pid), installer: null };
  let waited = false;
  while (!tryTake(path, mine)) {
    const holder = readHolder(path);
    if (holder === null || !(isAlive(holder.owner) || isAlive(holder.installer))) {
      removeStale(path, holder);
      continue;
    }
    if (!waited) options.onWait(holder.owner.pid);
    waited = true;
    await sleep(options.pollMilliseconds ?? 500);
  }
  try {
    return await work((pid) => writeFileSync(path, JSON.stringify({ ...mine, installer: identify(pid) })));
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * @param {string} path
 * @param {LockContent} content
 */
function tryTake(path, content) {
  // Written aside and linked into place: others never see a half-written lock, and link fails when one exists.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(content));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @param {string} path */
function readHolder(path) {
  try {
    return parseLock(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

/**
 * Remove a dead lock, unless somebody exchanged it for a live one since it was read.
 * @param {string} path
 * @param {LockContent | null} seen
 */
function removeStale(path, seen) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const taken = readHolder(aside);
  if (taken !== null && taken.owner.pid !== seen?.owner.pid) {
    try {
      linkSync(aside, path);
    } catch {
      // Somebody else took the lock in between; they hold it now.
    }
  }
  rmSync(aside, { force: true });
}
