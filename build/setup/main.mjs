import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, rmSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { InstallError, createEnvironment, installPackages } from "./environment.mjs";
import { findPython } from "./find-python.mjs";
import { withLock } from "./lock.mjs";
import { repositoryRoot, runtimePaths } from "./paths.mjs";
import { Progress } from "./progress.mjs";
import { cleanEnvironment } from "./run-command.mjs";
import { decide, readStamp, requirementsHash, writeStamp } from "./stamp.mjs";
import { hasNvidiaDriver, wantedTorchBuild } from "./torch-build.mjs";
import { SetupError, runMain } from "./user-error.mjs";

/**
 * Make `.runtime/bin/python3 -m live_avatar` work. Returns at once when it already does.
 * @param {{ tests: boolean, repair?: boolean, root?: string, progress?: Progress }} options `tests` adds what the test suites need; `repair` looks at what
 *   seems to be ready all the same: what is missing is added, and an environment that then still does not work is made anew
 * @returns {Promise<import("./paths.mjs").RuntimePaths>}
 * @throws {SetupError}
 */
export async function ensureRuntime({ tests, repair = false, root = repositoryRoot, progress = new Progress() }) {
  const paths = runtimePaths(root);
  if (process.platform === "win32") {
    throw new SetupError("Running from source needs Linux or macOS.", "The set-up uses their folder layout.", "On Windows, use WSL.");
  }
  const wanted = {
    root,
    torch: wantedTorchBuild(process.platform, hasNvidiaDriver()),
    requirements: requirementsHash([paths.requirements, paths.cudaRequirements, paths.constraints].map((path) => readFileSync(path, "utf8")).join("\n")),
    tests: tests ? requirementsHash(readFileSync(paths.testRequirements, "utf8")) : null,
  };
  const action = () => {
    const found = decide(readStamp(paths.stamp), interpreterVersion(paths.python), wanted);
    return repair && found === "ready" ? "update" : found;
  };
  if (action() === "ready") return paths;

  makeFolder(paths.runtime);
  const started = Date.now();
  await withLock(paths.lock, { onWait: (pid) => progress.step(`waiting for another set-up (process ${pid})`) }, async (noteInstaller) => {
    // Somebody else may have finished it while this one waited.
    const todo = action();
    if (todo === "ready") return;
    const before = todo === "update" ? readStamp(paths.stamp) : null;
    const bench = { paths, progress, noteInstaller };
    const python = before === null ? findPython() : null;
    // From here to the end there is no stamp: a set-up that is killed is done again from the start.
    rmSync(paths.stamp, { force: true });
    if (python !== null) await createEnvironment(bench, python);
    const withTests = tests || Boolean(before?.tests);
    const otherTorch = before !== null && before.torch !== wanted.torch;
    try {
      await installPackages(bench, { torchBuild: wanted.torch, replaceTorch: otherTorch, withTests });
    } catch (error) {
      // Without network an update fails before it changes anything; what worked before goes on working.
      if (before !== null && error instanceof InstallError && error.untouched) writeStamp(paths.stamp, before);
      throw error;
    }
    if (repair && before !== null && !imports(paths.python)) {
      progress.note("the environment still does not work; it is made anew");
      await createEnvironment(bench, findPython());
      await installPackages(bench, { torchBuild: wanted.torch, replaceTorch: false, withTests });
    }
    const installed = interpreterVersion(paths.python);
    if (installed === null) throw new SetupError("The new Python environment does not start.", `Tried ${paths.python}.`, `See ${paths.log}.`);
    const testsHash = withTests ? requirementsHash(readFileSync(paths.testRequirements, "utf8")) : null;
    writeStamp(paths.stamp, { format: 1, ...wanted, tests: testsHash, python: installed });
    progress.done(`ready after ${Math.round((Date.now() - started) / 1000)} s`);
  });
  return paths;
}

/** @param {string} folder */
function makeFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new SetupError(`${folder} cannot be written.`, `${/** @type {Error} */ (error).message}.`, "Use a checkout that you may write to.");
  }
}

/**
 * Version of the environment's interpreter, asked of itself: a system upgrade can change or remove it.
 * @param {string} python
 * @returns {string | null}
 */
function interpreterVersion(python) {
  const code = "import sys; print('.'.join(map(str, sys.version_info[:3])))";
  const result = spawnSync(python, ["-I", "-S", "-c", code], { encoding: "utf8", env: cleanEnvironment(process.env) });
  return result.status === 0 ? result.stdout.trim() : null;
}

/**
 * Whether the packages that the engine cannot do without are whole: pip knows what was installed, not what became of the files.
 * @param {string} python
 */
function imports(python) {
  const code = "import av, imageio_ffmpeg, numpy, safetensors, torch, transformers, live_avatar";
  return spawnSync(python, ["-I", "-c", code], { env: cleanEnvironment(process.env) }).status === 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => {
    const unknown = process.argv.slice(2).filter((argument) => argument !== "--tests" && argument !== "--repair");
    if (unknown.length > 0) throw new SetupError(`Unknown option ${unknown[0]}.`, "The set-up knows --tests and --repair.", "Leave it out.");
    const paths = await ensureRuntime({ tests: process.argv.includes("--tests"), repair: process.argv.includes("--repair") });
    console.log(`Ready: ${paths.python} -m live_avatar --help`);
    return 0;
  });
}
