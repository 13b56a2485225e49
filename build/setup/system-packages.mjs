import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { shellQuote } from "./environment.mjs";
import { withLock } from "./lock.mjs";
import { repositoryRoot, runtimePaths } from "./paths.mjs";
import { Progress } from "./progress.mjs";
import { findProgram, hasChineseFont } from "./programs.mjs";
import { runLines } from "./run-command.mjs";
import { hasUnpackedChineseFont, unpackPackages, writeStarter } from "./unpacked-packages.mjs";
import { SetupError } from "./user-error.mjs";

/** @typedef {{ name: string, debian: string, there: (root: string) => boolean }} Need */

/**
 * What the tests need besides the packages of Python and Node: a real browser, a virtual screen for the window, an
 * independent judge of video files, and glyphs for screenshots in Chinese.
 * @type {readonly Need[]}
 */
const NEEDS = [
  { name: "Chromium", debian: "chromium", there: (root) => findProgram("chromium", { root }) !== null },
  { name: "Xvfb", debian: "xvfb", there: (root) => process.platform !== "linux" || findProgram("Xvfb", { root }) !== null },
  { name: "ffprobe", debian: "ffmpeg", there: (root) => findProgram("ffprobe", { root }) !== null && findProgram("ffmpeg", { root }) !== null },
  { name: "a Chinese font", debian: "fonts-noto-cjk", there: (root) => hasChineseFont() || hasUnpackedChineseFont(root) },
];

const missingNow = (/** @type {string} */ root) => NEEDS.filter((need) => !need.there(root));

/**
 * @typedef {object} SystemBench what every step works with
 * @property {string} root
 * @property {Progress} progress
 * @property {import("./unpacked-packages.mjs").Run} run
 */

/**
 * Make sure that the programs of the tests are there. What the system has is used; the rest is installed with apt by root,
 * and unpacked below `.runtime/system` by everybody else.
 * @param {{ root?: string, progress?: Progress }} options
 * @throws {SetupError} naming what is missing and how to install it
 */
export async function ensureSystemPackages({ root = repositoryRoot, progress = new Progress() } = {}) {
  if (missingNow(root).length === 0) return;
  const folder = runtimePaths(root).system;
  mkdirSync(folder, { recursive: true });
  const log = join(folder, "set-up.log");
  const started = Date.now();
  await withLock(join(folder, "set-up.lock"), { onWait: (pid) => progress.step(`waiting for another set-up (process ${pid})`) }, async (noteInstaller) => {
    const missing = missingNow(root);
    if (missing.length === 0) return;
    progress.step(`installing ${missing.map(({ name }) => name).join(", ")} for the tests`);
    const why = await provide({ root, progress, run: logged(log, noteInstaller) }, missing.map(({ debian }) => debian));
    const still = missingNow(root);
    if (still.length > 0) {
      throw new SetupError(
        `The tests lack ${still.map(({ name }) => name).join(", ")}.`,
        why ?? "The packages do not bring it.",
        `Install it (Debian, Ubuntu: apt install ${still.map(({ debian }) => debian).join(" ")}) and run the same command again. Details: ${log}`,
      );
    }
    progress.done(`test programs ready after ${Math.round((Date.now() - started) / 1000)} s`);
  });
}

/**
 * @param {SystemBench} bench
 * @param {readonly string[]} wanted Debian packages
 * @returns {Promise<string | null>} why it did not work, or null
 */
async function provide(bench, wanted) {
  if (!existsSync("/usr/bin/apt-get")) return "Only systems with apt are set up without help.";
  // Ubuntu's package only asks for a snap, in which a browser cannot be driven.
  const chromiumIsSnap = wanted.includes("chromium") && isSnapPackage("chromium");
  const packages = wanted.filter((name) => !(chromiumIsSnap && name === "chromium"));
  const isRoot = process.getuid?.() === 0;
  const install = (/** @type {readonly string[]} */ names) => (isRoot ? installAsRoot(bench, names) : unpackPackages(bench.root, names, bench.run));
  const why = packages.length > 0 ? await install(packages) : null;
  return chromiumIsSnap ? ((await downloadChromium(bench, install)) ?? why) : why;
}

/**
 * @param {SystemBench} bench
 * @param {readonly string[]} packages
 */
async function installAsRoot({ run }, packages) {
  const install = ["-q", "-y", "--no-install-recommends", "install", ...packages];
  // The lists may be missing (container images remove them), or name versions that are gone.
  if ((await run("apt-get", install)) === null) return null;
  await run("apt-get", ["-q", "update"]);
  return run("apt-get", install);
}

/**
 * Playwright's own build of Chromium, with the libraries it needs.
 * @param {SystemBench} bench
 * @param {(packages: readonly string[]) => Promise<string | null>} install
 */
async function downloadChromium({ root, progress, run }, install) {
  progress.note("Chromium is a snap here, which tests cannot drive; taking Playwright's own build.");
  const cli = join(root, "node_modules", "playwright-core", "cli.js");
  if (!existsSync(cli)) return "Playwright is not installed.";
  const needed = spawnSync(process.execPath, [cli, "install-deps", "--dry-run", "chromium"], { encoding: "utf8" }).stdout;
  const libraries = neededPackages(needed);
  const failed = libraries.length > 0 ? await install(libraries) : null;
  if (failed !== null) return failed;
  const folder = join(runtimePaths(root).system, "playwright");
  const downloaded = await run(process.execPath, [cli, "install", "chromium"], { PLAYWRIGHT_BROWSERS_PATH: folder });
  if (downloaded !== null) return downloaded;
  const program = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((path) => /(^|\/)chrome$/.test(path));
  if (program === undefined) return "Playwright's download holds no browser.";
  writeStarter(root, "chromium", `exec ${shellQuote(join(folder, program))} "$@"`);
  return null;
}

/**
 * Package names in the listing of `playwright install-deps --dry-run`: one a line, indented by two spaces.
 * @param {string} listing
 */
export function neededPackages(listing) {
  return [...listing.matchAll(/^ {2}([a-z0-9][a-z0-9+.:-]+)$/gm)].map(([, name]) => name);
}

/**
 * Whether the package that apt would install only leads to a snap: its version says so.
 * @param {string} name
 */
function isSnapPackage(name) {
  const policy = spawnSync("apt-cache", ["policy", name], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } }).stdout ?? "";
  return leadsToSnap(policy);
}

/**
 * @param {string} policy what `apt-cache policy` says
 */
export function leadsToSnap(policy) {
  return /^\s*Candidate:.*snap/m.test(policy);
}

/**
 * Runs programs with their output in the log.
 * @param {string} log
 * @param {(pid: number) => void} noteInstaller
 * @returns {import("./unpacked-packages.mjs").Run}
 */
function logged(log, noteInstaller) {
  return async (command, args, environment = {}) => {
    appendFileSync(log, `$ ${[command, ...args].join(" ")}\n`);
    /** @type {string[]} */
    const errors = [];
    let last = "";
    const onLine = (/** @type {string} */ line) => {
      appendFileSync(log, `${line}\n`);
      if (/^(E|Err|Error|error|dpkg-deb: error)[:\s]/.test(line)) errors.push(line);
      if (line.trim() !== "") last = line.trim();
    };
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C", ...environment };
    try {
      const status = await runLines(command, [...args], { env, onLine, onStart: noteInstaller });
      return status === 0 ? null : errors[0] ?? (last || `${command} ended with status ${status}.`);
    } catch (error) {
      return `${command}: ${/** @type {Error} */ (error).message}`;
    }
  };
}
