import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { demoArguments } from "../../demo-arguments.mjs";
import { repositoryRoot } from "../../setup/paths.mjs";
import { SetupError } from "../../setup/user-error.mjs";
import { NOT_CARRIED } from "./packages.mjs";
import { mustRun } from "./run.mjs";
import { treePaths } from "./tree.mjs";

/**
 * Use the finished runtime from another folder, with an environment that holds nothing else: every package is imported, the demo model draws one clip, and golden data are compared.
 * @param {import("./tree.mjs").TreePaths} made
 * @param {string} version of Python
 * @returns {{ torch: string, cuda: string | null, architectures: string[] }} what torch says about itself
 * @throws {SetupError}
 */
export function smokeTest(made, version) {
  const elsewhere = mkdtempSync(join(made.root, "..", "名前 with space "));
  const scratch = mkdtempSync(join(tmpdir(), "avatar-studio-smoke-"));
  const root = join(elsewhere, "runtime");
  const env = { HOME: scratch, TMPDIR: scratch, PATH: "/nonexistent", OMP_NUM_THREADS: "2", ...(process.platform === "win32" ? { SYSTEMROOT: process.env.SYSTEMROOT } : {}) };
  renameSync(made.root, root);
  try {
    const tree = treePaths(root, process.platform, version);
    const run = (/** @type {string} */ doing, /** @type {string[]} */ ...args) => mustRun(tree.python, ["-I", "-B", "-X", "utf8", ...args], { env, cwd: scratch, doing });
    const facts = JSON.parse(run("importing every package of the stripped runtime", fileURLToPath(new URL("smoke_imports.py", import.meta.url)), NOT_CARRIED.source));
    const golden = join(repositoryRoot, "python-runtime", "tests", "golden");
    run("comparing with the golden data", "-m", "live_avatar", "verify", "--golden", golden);
    const video = join(scratch, "demo.mp4");
    run("rendering with the demo model", "-m", "live_avatar", ...demoArguments(repositoryRoot, ["--num_clip", "1", "--sample_steps", "1", "--save_file", video]).args);
    if (!existsSync(video)) throw new SetupError("The demo render made no video.", `It should be ${video}.`, "Look at the engine's output.");
    return facts;
  } finally {
    renameSync(root, made.root);
    for (const folder of [elsewhere, scratch]) rmSync(folder, { recursive: true, force: true });
  }
}
