import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { rootCertificates } from "node:tls";
import { fileURLToPath } from "node:url";
import { parsePipLine, pipNarrator } from "./pip-output.mjs";
import { cleanEnvironment, runLines } from "./run-command.mjs";
import { pinnedLines, pinnedVersion } from "./stamp.mjs";
import { CPU_INDEX, reportedVersion } from "./torch-build.mjs";
import { SetupError } from "./user-error.mjs";

// One pip everywhere, so that its output and behaviour are known; the hash is that of its published wheel.
export const PIP_VERSION = "26.3";
export const PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13";
const NEEDED_GIGABYTES = { cpu: 4, default: 10 };

/**
 * @typedef {object} Workbench what every step works with
 * @property {import("./paths.mjs").RuntimePaths} paths
 * @property {import("./progress.mjs").Progress} progress
 * @property {(pid: number) => void} noteInstaller tells the lock which process writes into the environment
 */

/**
 * An empty environment with pip in it. Whatever was there before is removed.
 * @param {Workbench} bench
 * @param {import("./find-python.mjs").PythonFacts} python
 */
export async function createEnvironment(bench, python) {
  const { paths, progress } = bench;
  progress.step(`preparing Python ${python.version.join(".")} in .runtime`);
  // The lock is ours and stays, and so does what other parts of the set-up made.
  const kept = [paths.lock, paths.node, paths.system, paths.testElectron].map((path) => basename(path));
  for (const name of readdirSync(paths.runtime)) {
    if (!kept.includes(name)) rmSync(join(paths.runtime, name), { recursive: true, force: true });
  }
  // Without pip: Debian's python3 cannot put pip in unless python3-venv is installed too.
  await mustRun(bench, python.executable, ["-I", "-m", "venv", "--without-pip", paths.runtime]);
  await putPipIn(bench, python);
}

/**
 * @param {Workbench} bench
 * @param {import("./find-python.mjs").PythonFacts} python
 */
async function putPipIn(bench, python) {
  const { paths } = bench;
  const pin = `pip==${PIP_VERSION}`;
  const byEnsurepip = await run(bench, paths.python, ["-I", "-m", "ensurepip", "--default-pip"]) === 0;
  if (byEnsurepip && await run(bench, paths.python, ["-I", "-m", "pip", "install", "--upgrade", pin]) === 0) return;
  if (await run(bench, python.executable, ["-I", "-m", "pip", "--python", paths.python, "install", pin]) === 0) return;
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-pip-"));
  try {
    const certificates = join(folder, "certificates.pem");
    writeFileSync(certificates, rootCertificates.join("\n"));
    const script = join(dirname(fileURLToPath(import.meta.url)), "download_pip.py");
    const environment = { ...process.env, AVATAR_STUDIO_FALLBACK_CERTIFICATES: certificates };
    await mustRun(bench, paths.python, ["-s", "-E", script, PIP_VERSION, PIP_SHA256, folder], environment);
    const wheel = join(folder, `pip-${PIP_VERSION}-py3-none-any.whl`);
    await mustRun(bench, paths.python, [join(wheel, "pip"), "install", "--no-index", wheel]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @typedef {object} Selection
 * @property {"cpu" | "default"} torchBuild
 * @property {boolean} replaceTorch the environment holds another build of torch
 * @property {boolean} withTests
 */

/** Packages could not be installed. `untouched` says that the environment is as it was before. */
export class InstallError extends SetupError {
  untouched = false;
}

/**
 * Install the pinned packages: torch first, because only it has a choice of builds, then the rest.
 * @param {Workbench} bench
 * @param {Selection} selection
 * @throws {SetupError}
 */
export async function installPackages(bench, { torchBuild, replaceTorch, withTests }) {
  const { paths, progress } = bench;
  const requirements = readFileSync(paths.requirements, "utf8");
  const torch = pinnedVersion(requirements, "torch");
  const free = statfsSync(paths.runtime);
  const gigabytes = (free.bavail * free.bsize) / 1e9;
  if (gigabytes < NEEDED_GIGABYTES[torchBuild]) {
    throw new SetupError(
      `The disk has ${gigabytes.toFixed(1)} GB left for ${paths.runtime}.`,
      `The Python packages need up to ${NEEDED_GIGABYTES[torchBuild]} GB.`,
      "Free some space and run the same command again.",
    );
  }

  if (replaceTorch || installedVersion(paths.python, "torch")?.split("+")[0] !== torch) {
    const pin = `torch==${torch}`;
    progress.step("choosing the build of PyTorch for this machine");
    const index = torchBuild === "cpu" ? cpuIndex(bench, pin) : [];
    progress.step("installing PyTorch");
    // Only torch may come from its makers' index; everything else comes from the configured one.
    await pipInstall(bench, ["--no-deps", "--force-reinstall", ...index, pin], 1);
  }

  const files = [
    paths.requirements,
    // The default build of torch is the one for cards, but for macOS.
    ...(torchBuild === "default" && process.platform !== "darwin" ? [paths.cudaRequirements] : []),
    ...(withTests ? [paths.testRequirements] : []),
  ];
  const count = files.flatMap((file) => pinnedLines(readFileSync(file, "utf8"))).length;
  progress.step(`installing ${count} Python packages`);
  await pipInstall(bench, ["-c", paths.constraints, ...files.flatMap((file) => ["-r", file])], count);
  linkEngine(bench);
}

/**
 * Options that make pip take the build of torch without CUDA, or none where the configured index already gives it.
 * @param {Workbench} bench
 * @param {string} torch
 * @returns {string[]}
 */
function cpuIndex(bench, torch) {
  const extra = ["--extra-index-url", CPU_INDEX];
  const isCpu = (/** @type {string[]} */ options) => {
    const args = ["-I", "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-", ...options, torch];
    const result = spawnSync(bench.paths.python, args, { encoding: "utf8", env: cleanEnvironment(process.env), maxBuffer: 1e8 });
    return reportedVersion(result.stdout)?.endsWith("+cpu") ?? false;
  };
  if (isCpu([])) return [];
  if (isCpu([...extra, "--retries", "0", "--timeout", "8"])) return extra;
  bench.progress.note("PyTorch's CPU builds cannot be reached; taking the default build, which may download several GB.");
  return [];
}

/**
 * Make `import live_avatar` and the command `live-avatar` work from this checkout, without building a package.
 * @param {Workbench} bench
 */
function linkEngine({ paths }) {
  writeFileSync(join(sitePackages(paths.python), "avatar_studio.pth"), `${paths.engine}\n`);
  const command = join(paths.runtime, "bin", "live-avatar");
  mkdirSync(dirname(command), { recursive: true });
  writeFileSync(command, `#!/bin/sh\nexec ${shellQuote(paths.python)} -m live_avatar "$@"\n`);
  chmodSync(command, 0o755);
}

/**
 * A word as sh reads it back, whatever characters a folder name has.
 * @param {string} text
 */
export function shellQuote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * @param {Workbench} bench
 * @param {string[]} what
 * @param {number} count
 */
async function pipInstall(bench, what, count) {
  const narrate = pipNarrator(count);
  /** @type {string[]} */
  const errors = [];
  let touched = false;
  let stopCounting = () => {};
  const args = ["-I", "-m", "pip", "install", "--progress-bar", "raw", "--no-warn-script-location", ...what];
  const status = await run(bench, bench.paths.python, args, process.env, (line) => {
    const words = narrate(line);
    if (words !== null) bench.progress.detail(words);
    const event = parsePipLine(line);
    if (event?.kind === "error") errors.push(event.text);
    // Pip downloads everything before it unpacks anything.
    if (event?.kind === "install") {
      touched = true;
      stopCounting = countUnpacked(bench, event.count);
    }
  });
  stopCounting();
  if (status === 0) return;
  if (errors.includes("Operation cancelled by user")) throw new SetupError("The set-up was stopped.", "", "Run the same command again to go on.");
  const error = failure(bench, "The Python packages could not be installed.", errors.join(" ") || `pip ended with status ${status}.`);
  error.untouched = !touched;
  throw error;
}

/**
 * Pip is silent while it unpacks; each package that is done has left a `.dist-info` folder.
 * @param {Workbench} bench
 * @param {number} total
 * @returns {() => void} stops counting
 */
function countUnpacked({ paths, progress }, total) {
  const site = sitePackages(paths.python);
  const count = () => readdirSync(site).filter((name) => name.endsWith(".dist-info")).length;
  const before = count();
  const timer = setInterval(() => progress.detail(`unpacked ${Math.min(count() - before, total)} of ${total}`), 500);
  return () => clearInterval(timer);
}

/**
 * Version of an installed package, build included; null when it is not there.
 * @param {string} python
 * @param {string} name
 */
function installedVersion(python, name) {
  const code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
  return spawnSync(python, ["-I", "-c", code, name], { encoding: "utf8" }).stdout.trim() || null;
}

/** @param {string} python */
function sitePackages(python) {
  const code = "import sysconfig; print(sysconfig.get_path('purelib'))";
  return spawnSync(python, ["-I", "-c", code], { encoding: "utf8" }).stdout.trim();
}

/**
 * Run a program of the set-up; its output goes to the log.
 * @param {Workbench} bench
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string | undefined>} environment
 * @param {(line: string) => void} onLine
 * @returns {Promise<number>} exit status
 */
async function run(bench, command, args, environment = process.env, onLine = () => {}) {
  const log = (/** @type {string} */ text) => appendFileSync(bench.paths.log, `${text}\n`);
  log(`$ ${[command, ...args].join(" ")}`);
  return runLines(command, args, {
    // Away from the checkout: a file there must not be imported instead of a library.
    cwd: bench.paths.runtime,
    env: cleanEnvironment(environment),
    onStart: bench.noteInstaller,
    onLine: (line) => {
      if (parsePipLine(line)?.kind !== "bytes") log(line);
      onLine(line);
    },
  });
}

/**
 * @param {Workbench} bench
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string | undefined>} environment
 */
async function mustRun(bench, command, args, environment = process.env) {
  let last = "";
  const status = await run(bench, command, args, environment, (line) => { if (line.trim()) last = line.trim(); });
  if (status !== 0) throw failure(bench, "The Python environment could not be prepared.", last || `${command} ended with status ${status}.`);
}

/**
 * @param {Workbench} bench
 * @param {string} what
 * @param {string} why
 */
function failure(bench, what, why) {
  return new InstallError(what, why, `Check the network connection and run the same command again. Details: ${bench.paths.log}`);
}
