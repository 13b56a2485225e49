import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sourcesHash } from "../ensure-built.mjs";
import { repositoryRoot, runtimePaths } from "../setup/paths.mjs";
import { runAttached } from "../setup/run-command.mjs";
import { SetupError } from "../setup/user-error.mjs";

const folder = join(repositoryRoot, "dist", "test-packages", "engine");
/** What an engine's archive is made from; package.json holds its version. Byte code that Python leaves beside its sources is none of it. */
const sources = () => ["build/package/runtime", "python-runtime/requirements.txt", "package.json", ...pythonFiles("python-runtime/live_avatar")];

/**
 * The files of an engine's archive for processors, made of this checkout as for users. Made anew, in minutes and with the network, when its sources have changed.
 * `AVATAR_STUDIO_TEST_ARCHIVE` names a folder with one that is to be taken instead.
 * @returns {Promise<readonly string[]>}
 * @throws {SetupError}
 */
export async function ensureTestArchive() {
  const given = process.env.AVATAR_STUDIO_TEST_ARCHIVE;
  if (given !== undefined) return archiveFiles(given);
  const stamp = join(folder, "stamp");
  const hash = sourcesHash(repositoryRoot, sources());
  if (readIfThere(stamp) !== hash) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const prefix = spawnSync(runtimePaths(repositoryRoot).python, ["-I", "-c", "import sys; print(sys.base_prefix)"], { encoding: "utf8" }).stdout.trim();
    const status = await runAttached(process.execPath, [join(repositoryRoot, "build", "package", "runtime", "main.mjs"), "--gpu", "cpu", "--python", prefix, "--output", folder]);
    if (status !== 0) throw new SetupError("There is no engine's archive to test the package with.", "npm run package:runtime failed; it says why above.", "Mend that, and run the same command again.");
    writeFileSync(stamp, hash);
  }
  return archiveFiles(folder);
}

/** @param {string} place below the checkout */
function pythonFiles(place) {
  return readdirSync(join(repositoryRoot, place), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".py")).sort().map((name) => `${place}/${name}`);
}

/** @param {string} place */
function archiveFiles(place) {
  const files = readdirSync(place).filter((name) => name.startsWith("avatar-studio-runtime-")).map((name) => join(place, name));
  if (files.length === 0) throw new SetupError("There is no engine's archive to test the package with.", `${place} holds none.`, "Unset AVATAR_STUDIO_TEST_ARCHIVE, or correct it.");
  return files;
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
