import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { electronProgram, fetchElectron } from "../../electron-binary.mjs";
import { ensureRuntime } from "../../setup/main.mjs";
import { repositoryRoot } from "../../setup/paths.mjs";
import { ensureTestElectron, findTestElectron } from "../../setup/test-electron.mjs";
import { SetupError } from "../../setup/user-error.mjs";

/**
 * The Electron that goes into the package.
 * @typedef {object} PackagedElectron
 * @property {import("../../bundle.mjs").Variant} variant `electron-9`: a test build, not to be given to anybody
 * @property {string} version
 * @property {string | null} folder where it is unpacked; null lets electron-builder fetch it, for another system than this one
 */

/**
 * The pinned Electron, fetched if it is not there. Where its makers' host cannot be reached, the old one of the tests takes its place.
 * @param {{ system: import("./package-arguments.mjs").System, say: (line: string) => void }} options
 * @returns {Promise<PackagedElectron>}
 * @throws {SetupError} when there is neither
 */
export async function chooseElectron({ system, say }) {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, "node_modules", "electron", "package.json"), "utf8"));
  const isHere = { linux: "linux", win: "win32", mac: "darwin" }[system] === process.platform;
  if (!isHere) return { variant: "current", version, folder: null };
  const why = electronProgram(repositoryRoot) === null ? await fetchElectron(repositoryRoot, say) : null;
  const program = electronProgram(repositoryRoot);
  if (program !== null) return { variant: "current", version, folder: folderOf(program) };

  await ensureRuntime({ tests: false });
  await ensureTestElectron();
  const test = findTestElectron();
  if (test === null) throw new SetupError("There is no Electron to package.", `${why ?? "It could not be fetched"}.`, "Name an unpacked one in ELECTRON_OVERRIDE_DIST_PATH.");
  say(
    `\n  TEST BUILD. Electron ${version} could not be fetched: ${why ?? "its download failed"}.\n  The old Electron of the tests is packaged in its place: it shows that the package works, runs its server in the Node on PATH,\n  has no fuses, and must not be given to anybody. On a release machine, name an unpacked Electron ${version} in ELECTRON_OVERRIDE_DIST_PATH.\n`,
  );
  return { variant: "electron-9", version: readFileSync(join(dirname(test.program), "version"), "utf8").trim().replace(/^v/, ""), folder: dirname(test.program) };
}

/**
 * macOS's program lies three folders below the one that is meant.
 * @param {string} program
 */
function folderOf(program) {
  const folder = dirname(program);
  return existsSync(join(folder, "..", "Info.plist")) ? join(folder, "..", "..", "..") : folder;
}
