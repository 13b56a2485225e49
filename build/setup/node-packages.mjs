import { spawn } from "node:child_process";
import { accessSync, appendFileSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { withLock } from "./lock.mjs";
import { repositoryRoot, runtimePaths } from "./paths.mjs";
import { Progress } from "./progress.mjs";
import { SetupError } from "./user-error.mjs";

/**
 * One entry of npm's lock files, as far as it is read here.
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean, os?: string[], cpu?: string[] }} LockEntry
 */

/**
 * @typedef {object} Machine
 * @property {string} platform
 * @property {string} arch
 */

/**
 * Whether `node_modules` holds what `package-lock.json` asks for. npm writes its own record of what it installed last of
 * all, and `npm ci` removes it first: an installation that was killed has none.
 * @param {string} wanted text of package-lock.json
 * @param {string | null} installed text of node_modules/.package-lock.json, null when it is not there
 * @param {Machine} machine
 */
export function holdsEverything(wanted, installed, machine = process) {
  const have = lockedPackages(installed);
  const need = lockedPackages(wanted);
  if (have === null || need === null) return false;
  // Folders copied from another kind of machine hold that machine's programs.
  const foreign = Object.values(have).some(({ os, cpu }) => (os && !os.includes(machine.platform)) || (cpu && !cpu.includes(machine.arch)));
  if (foreign) return false;
  return Object.entries(need).every(([folder, entry]) => {
    const present = have[folder];
    if (folder === "" || present === undefined) return folder === "" || entry.optional === true;
    return present.version === entry.version && present.integrity === entry.integrity;
  });
}

/**
 * @param {string | null} text
 * @returns {Record<string, LockEntry> | null}
 */
function lockedPackages(text) {
  try {
    return JSON.parse(text ?? "").packages ?? null;
  } catch {
    return null;
  }
}

/**
 * Make `node_modules` fit `package-lock.json`. Returns at once when it already does.
 * @param {{ root?: string, progress?: Progress }} options
 * @throws {SetupError}
 */
export async function ensureNodePackages({ root = repositoryRoot, progress = new Progress() } = {}) {
  const lockFile = join(root, "package-lock.json");
  const ready = () => holdsEverything(readFileSync(lockFile, "utf8"), readIfThere(join(root, "node_modules", ".package-lock.json")));
  if (ready()) return;

  const folder = runtimePaths(root).node;
  const log = join(folder, "npm-ci.log");
  mkdirSync(folder, { recursive: true });
  const started = Date.now();
  await withLock(join(folder, "set-up.lock"), { onWait: (pid) => progress.step(`waiting for another set-up (process ${pid})`) }, async (noteInstaller) => {
    // Somebody else may have finished it while this one waited.
    if (ready()) return;
    const count = Object.keys(lockedPackages(readFileSync(lockFile, "utf8")) ?? {}).length - 1;
    progress.step(`installing ${count} Node packages`);
    await keepingOldPackages(root, join(folder, "packages-before"), () => npmCi({ root, log, progress, noteInstaller, count }));
    if (!ready()) throw new SetupError("The Node packages are incomplete.", "npm ended well, but its record does not fit package-lock.json.", `See ${log}.`);
    progress.done(`Node packages ready after ${Math.round((Date.now() - started) / 1000)} s`);
  });
}

/**
 * npm empties `node_modules` before it downloads. Without network, what worked before shall go on working.
 * @param {string} root
 * @param {string} aside
 * @param {() => Promise<void>} install
 */
async function keepingOldPackages(root, aside, install) {
  const folder = join(root, "node_modules");
  // Left by a set-up that was killed: the only complete state there is, unless npm had finished after all.
  if (existsSync(aside)) rmSync(folder, { recursive: true, force: true });
  else if (existsSync(folder)) renameSync(folder, aside);
  try {
    await install();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    if (existsSync(aside)) renameSync(aside, folder);
    throw error;
  }
  rmSync(aside, { recursive: true, force: true });
}

/**
 * @param {{ root: string, log: string, progress: Progress, noteInstaller: (pid: number) => void, count: number }} options
 */
async function npmCi({ root, log, progress, noteInstaller, count }) {
  // No package here needs its install script: esbuild's only checks its program, Electron has none.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--progress=false", "--loglevel=http", ...cacheOption(root)];
  const [command, ...first] = npmCommand();
  writeFileSync(log, `$ ${[command, ...first, ...args].join(" ")}\n`);
  /** @type {string[]} */
  const errors = [];
  let fetched = 0;
  const status = await new Promise((resolve, reject) => {
    const child = spawn(command ?? "npm", [...first, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        appendFileSync(log, `${line}\n`);
        const event = parseNpmLine(line);
        if (event?.kind === "error") errors.push(event.text);
        if (event?.kind === "fetched") progress.detail(`${Math.min(++fetched, count)} of ${count} downloaded`);
      });
    }
    child.once("spawn", () => noteInstaller(/** @type {number} */ (child.pid)));
    child.once("error", reject);
    child.once("close", resolve);
  }).catch((error) => {
    throw new SetupError("npm could not be started.", `${error.message}.`, "Install npm (it comes with Node) and run the same command again.");
  });
  if (status === 0) return;
  const why = errors.slice(0, 3).join(" ") || `npm ended with status ${status}.`;
  throw new SetupError("The Node packages could not be installed.", why, `Check the network connection and run the same command again. Details: ${log}`);
}

/**
 * What one line of npm's output says.
 * @param {string} line
 * @returns {{ kind: "fetched" } | { kind: "error", text: string } | null}
 */
export function parseNpmLine(line) {
  if (/^npm http fetch GET 200 \S+\.tgz\b/.test(line)) return { kind: "fetched" };
  const text = /^npm (?:error|ERR!) (.+)$/.exec(line)?.[1];
  // Not its codes, its stack, or the path of its own log: the set-up's log has all of that.
  if (text === undefined || /^(A complete log|code |errno |syscall |\s*at )/.test(text)) return null;
  return { kind: "error", text };
}

/** The npm that runs this script, if one does; else the one on PATH. */
function npmCommand() {
  const running = process.env.npm_execpath;
  return running && /npm-cli\.c?js$/.test(running) ? [process.execPath, running] : ["npm"];
}

/**
 * npm wants a cache to write to; an account without a home gets one inside the checkout.
 * @param {string} root
 */
function cacheOption(root) {
  try {
    const home = homedir();
    accessSync(existsSync(join(home, ".npm")) ? join(home, ".npm") : home, constants.W_OK);
    return [];
  } catch {
    return ["--cache", join(runtimePaths(root).node, "npm-cache")];
  }
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
