import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ensureRuntime } from "./setup/main.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { runMain } from "./setup/user-error.mjs";
import { closingLine, fromJunit, fromStatus, fromTap, sum, withStatus } from "./test-results.mjs";

// More processes than this only fill the memory: each one holds torch.
const MOST_WORKERS = 4;

await runMain(async () => {
  const checksOnly = process.argv.includes("--checks-only");
  const paths = await ensureRuntime({ tests: true });
  const reports = mkdtempSync(join(tmpdir(), "avatar-studio-tests-"));
  // One thread a process: tests run side by side, and a fixed number of threads gives the same sums everywhere.
  const env = { ...cleanEnvironment(process.env), OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1" };
  const config = ["--config", join(paths.engine, "pyproject.toml")];
  const pythonFolders = [paths.engine, join(paths.root, "build")];

  const python = (/** @type {string[]} */ ...args) => runAttached(paths.python, args, { cwd: paths.engine, env });
  const report = (/** @type {string} */ name) => readIfThere(join(reports, name));

  /** @type {[string, () => Promise<import("./test-results.mjs").Counts>][]} */
  const suites = [
    ["lint (ruff check)", async () => fromStatus(await python("-m", "ruff", "check", "--quiet", "--output-format=concise", ...config, ...pythonFolders))],
    ["format (ruff format)", async () => fromStatus(await python("-m", "ruff", "format", "--check", "--quiet", "--output-format=concise", ...config, ...pythonFolders))],
    ["types (mypy --strict)", async () => fromStatus(await python("-m", "mypy"))],
  ];
  if (!checksOnly) {
    suites.push(["build scripts (node --test)", async () => {
      const files = filesBelow(join(paths.root, "build"), ".test.mjs");
      const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap", `--test-reporter-destination=${join(reports, "node.tap")}`];
      const status = await runAttached(process.execPath, ["--test", ...reporters, ...files], { cwd: paths.root, env });
      return withStatus(fromTap(report("node.tap")), status);
    }]);
    suites.push(["engine (pytest)", async () => {
      const workers = Math.min(availableParallelism(), MOST_WORKERS);
      const parallel = workers > 1 ? ["-n", String(workers), "--dist", "loadfile"] : [];
      const status = await python("-m", "pytest", "-q", ...parallel, `--junitxml=${join(reports, "pytest.xml")}`);
      return withStatus(fromJunit(report("pytest.xml")), status);
    }]);
  }

  /** @type {import("./test-results.mjs").Counts[]} */
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
