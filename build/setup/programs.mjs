import { spawnSync } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { repositoryRoot, runtimePaths } from "./paths.mjs";

/** Programs that only tests, screenshots and measurements use, by the names they go under. */
const NAMES = {
  chromium: ["chromium", "google-chrome-stable", "google-chrome", "chromium-browser"],
  Xvfb: ["Xvfb"],
  ffmpeg: ["ffmpeg"],
  ffprobe: ["ffprobe"],
};

/** @typedef {keyof typeof NAMES} ProgramName */

/** Where the set-up puts the programs it could not install for the whole system. */
export const ownProgramFolder = (root = repositoryRoot) => join(runtimePaths(root).system, "bin");

/**
 * Path of a program of the system, or of the set-up's own; null when there is none that works.
 * @param {ProgramName} name
 * @param {{ root?: string, path?: string }} options
 * @returns {string | null}
 */
export function findProgram(name, { root = repositoryRoot, path = process.env.PATH ?? "" } = {}) {
  const folders = [...path.split(delimiter).filter(Boolean), ownProgramFolder(root)];
  for (const candidate of NAMES[name]) {
    const found = folders.map((folder) => join(folder, candidate)).find((file) => isProgram(file) && !isSnap(file));
    if (found !== undefined) return found;
  }
  return null;
}

/** Whether text in Chinese has glyphs here; where fontconfig is not used, the system brings such fonts. */
export function hasChineseFont() {
  if (process.platform !== "linux") return true;
  const listing = spawnSync("fc-list", [":lang=zh", "file"], { encoding: "utf8" });
  return listing.status === 0 && listing.stdout.trim() !== "";
}

/** @param {string} file */
function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * A browser in a snap, or Ubuntu's script that asks to install one, cannot use a profile below /tmp.
 * @param {string} file
 */
export function isSnap(file) {
  if (/^\/(var\/lib\/)?snap\/|\/usr\/bin\/snap$/.test(realpathSync(file))) return true;
  const start = Buffer.alloc(4096);
  const handle = openSync(file, "r");
  try {
    const text = start.toString("latin1", 0, readSync(handle, start));
    return text.startsWith("#!") && /\/snap\//.test(text);
  } finally {
    closeSync(handle);
  }
}
