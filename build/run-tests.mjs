import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkTypes, findDeadCode, lint } from "./checks.mjs";
import { ensureBuilt } from "./ensure-built.mjs";
import { ensureTestArchive } from "./package/test-archive.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { ensureSystemPackages } from "./setup/system-packages.mjs";
import { ensureTestElectron } from "./setup/test-electron.mjs";
import { withOwnPrograms } from "./setup/unpacked-packages.mjs";
import { withoutNetwork } from "./setup/without-network.mjs";
import { SetupError, runMain } from "./setup/user-error.mjs";
import { closingLine, failure, fromJunit, fromStatus, fromTap, sum, withStatus } from "./test-results.mjs";

/** @typedef {import("./test-results.mjs").Counts} Counts */

// More processes than this only fill the memory: each one holds torch.
const MOST_WORKERS = 4;

await runMain(async () => {
  const checksOnly = process.argv.includes("--checks-only");
  // They build the real runtime archive, which takes minutes; a release runs them, and whoever changes what is packed.
  const withPackages = process.argv.includes("--packages");
  const paths = await ensureRuntime({ tests: true });
  await ensureNodePackages();
  const reports = mkdtempSync(join(tmpdir(), "avatar-studio-tests-"));
  // One thread a process: tests run side by side, and a fixed number of threads gives the same sums everywhere.
  /** @type {Record<string, string | undefined>} */
  const env = { ...withOwnPrograms(cleanEnvironment(process.env)), OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1" };
  const config = ["--config", join(paths.engine, "pyproject.toml")];
  const pythonFolders = [paths.engine, join(paths.root, "build")];

  const python = (/** @type {string[]} */ ...args) => runAttached(paths.python, args, { cwd: paths.engine, env });
  const report = (/** @type {string} */ name) => readIfThere(join(reports, name));

  /** @param {string} project of vitest.config.ts */
  const vitest = async (project, /** @type {readonly string[]} */ before = []) => {
    const output = `${project}.xml`;
    const args = ["run", "--project", project, "--reporter=default", "--reporter=junit", `--outputFile.junit=${join(reports, output)}`];
    const [command = process.execPath, ...words] = [...before, process.execPath, join(paths.root, "node_modules", "vitest", "vitest.mjs"), ...args];
    const status = await runAttached(command, words, { cwd: paths.root, env });
    return withStatus(fromJunit(report(output)), status);
  };

  // Cheap ones first: most mistakes show within a minute.
  /** @type {[string, () => Promise<Counts>][]} */
  const suites = [
    ["lint (ruff check)", async () => fromStatus(await python("-m", "ruff", "check", "--quiet", "--output-format=concise", ...config, ...pythonFolders))],
    ["format (ruff format)", async () => fromStatus(await python("-m", "ruff", "format", "--check", "--quiet", "--output-format=concise", ...config, ...pythonFolders))],
    ["types (tsc)", async () => fromStatus(await checkTypes())],
    ["dead code (knip)", async () => fromStatus(await findDeadCode())],
    ["lint (eslint)", async () => fromStatus(await lint())],
    ["types (mypy --strict)", async () => fromStatus(await python("-m", "mypy"))],
  ];
  if (!checksOnly) {
    suites.push(["build scripts (node --test)", async () => {
      const files = filesBelow(join(paths.root, "build"), ".test.mjs");
      const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap", `--test-reporter-destination=${join(reports, "node.tap")}`];
      const status = await runAttached(process.execPath, ["--test", ...reporters, ...files], { cwd: paths.root, env });
      return withStatus(fromTap(report("node.tap")), status);
    }]);
    // What the tests below need is installed when they need it; where it cannot be, those that need it have failed.
    const programs = once(() => ensureSystemPackages());
    suites.push(["studio units (vitest)", needing([programs], () => vitest("unit"))]);
    suites.push(["engine (pytest)", async () => {
      const workers = Math.min(availableParallelism(), MOST_WORKERS);
      const parallel = workers > 1 ? ["-n", String(workers), "--dist", "loadfile"] : [];
      const status = await python("-m", "pytest", "-q", ...parallel, `--junitxml=${join(reports, "pytest.xml")}`);
      return withStatus(fromJunit(report("pytest.xml")), status);
    }]);
    const build = once(async () => void (await ensureBuilt(["server", "renderer"])));
    suites.push(["studio server, engine and security (vitest)", needing([programs, build], () => vitest("process"))]);
    suites.push(["studio in a browser (vitest)", needing([programs, build], () => vitest("browser"))]);
    suites.push(["studio in a window (vitest)", needing([programs, build, () => ensureTestElectron()], () => vitest("electron"))]);
    if (withPackages) {
      // Made before its tests are cut off from the network.
      const archive = async () => void (env.AVATAR_STUDIO_TEST_ARCHIVE = dirname((await ensureTestArchive())[0] ?? ""));
      suites.push(["packages (vitest)", needing([programs, build, () => ensureTestElectron(), archive], () => vitest("package", withoutNetwork(paths.python)))]);
    }
  }

  /** @type {Counts[]} */
  const results = [];
  /** @type {string[]} */
  const summary = [];
  try {
    for (const [name, run] of suites) {
      console.log(`\n== ${name}`);
      const started = performance.now();
      const counts = await run();
      results.push(counts);
      summary.push(`${name}: ${closingLine(counts)} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    }
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  const total = sum(results);
  console.log(`\n${summary.join("\n")}\n\n${closingLine(total)}`);
  return total.failed === 0 ? 0 : 1;
});

/**
 * A suite that needs things to be there first; it has failed, in words, where they cannot be had.
 * @param {(() => Promise<void>)[]} needs
 * @param {() => Promise<Counts>} run
 */
function needing(needs, run) {
  return async () => {
    try {
      for (const need of needs) await need();
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      console.error(`\nError: ${error.message}`);
      return failure;
    }
    return run();
  };
}

/**
 * Does its work at the first call; later ones get the same outcome.
 * @param {() => Promise<void>} work
 */
function once(work) {
  /** @type {Promise<void> | undefined} */
  let outcome;
  return () => (outcome ??= work());
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/**
 * @param {string} folder
 * @param {string} ending
 */
function filesBelow(folder, ending) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending)).sort().map((name) => join(folder, name));
}
