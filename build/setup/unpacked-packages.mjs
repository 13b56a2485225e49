import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { shellQuote } from "./environment.mjs";
import { repositoryRoot, runtimePaths } from "./paths.mjs";
import { ownProgramFolder } from "./programs.mjs";

/**
 * Run a program of the set-up; null when it ended well, else why not.
 * @typedef {(command: string, args: readonly string[], environment?: Record<string, string>) => Promise<string | null>} Run
 */

/** Where the content of the packages lies, as it would below `/`. */
const treeOf = (/** @type {string} */ root) => join(runtimePaths(root).system, "root");
const fontSettingsOf = (/** @type {string} */ root) => join(runtimePaths(root).system, "fonts.conf");

/** Programs to make callable: name, and file in the tree. Debian's `chromium` is a script with absolute paths in it. */
const PROGRAMS = [
  ["chromium", "usr/lib/chromium/chromium"],
  ["Xvfb", "usr/bin/Xvfb"],
  ["ffmpeg", "usr/bin/ffmpeg"],
  ["ffprobe", "usr/bin/ffprobe"],
];

/**
 * Debian packages for an account that may not install them: downloaded and checked by apt with folders of its own,
 * unpacked below `.runtime/system`, with starters in `.runtime/system/bin`.
 * @param {string} root
 * @param {readonly string[]} packages
 * @param {Run} run
 * @returns {Promise<string | null>} why it did not work, or null
 */
export async function unpackPackages(root, packages, run) {
  const apt = join(runtimePaths(root).system, "apt");
  const archives = join(apt, "cache", "archives");
  for (const folder of [join(archives, "partial"), join(apt, "state", "lists", "partial")]) mkdirSync(folder, { recursive: true });
  // The list of what the system has installed stays the system's: only what is missing is downloaded.
  const options = ["-q", "-o", `Dir::State=${join(apt, "state")}`, "-o", `Dir::Cache=${join(apt, "cache")}`, "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Debug::NoLocking=1"];
  const failed =
    (await run("apt-get", [...options, "update"])) ?? (await run("apt-get", [...options, "-y", "--no-install-recommends", "--download-only", "install", ...packages]));
  if (failed !== null) return failed;
  for (const name of readdirSync(archives).filter((file) => file.endsWith(".deb")).sort()) {
    const unpacked = await run("dpkg-deb", ["-x", join(archives, name), treeOf(root)]);
    if (unpacked !== null) return unpacked;
  }
  rmSync(apt, { recursive: true, force: true });
  makeStarters(root);
  return null;
}

/** Whether a font with Chinese glyphs was unpacked. */
export function hasUnpackedChineseFont(root = repositoryRoot) {
  return existsSync(fontSettingsOf(root)) && existsSync(join(treeOf(root), "usr", "share", "fonts", "opentype", "noto"));
}

/**
 * What programs need to find unpacked libraries and fonts.
 * @param {string} root
 * @returns {Record<string, string>}
 */
export function unpackedEnvironment(root = repositoryRoot) {
  if (!existsSync(fontSettingsOf(root))) return {};
  const libraries = ["usr/lib", "lib"].flatMap((folder) => libraryFolders(join(treeOf(root), folder), 3));
  return { FONTCONFIG_FILE: fontSettingsOf(root), ...(libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(":") } : {}) };
}

/**
 * An environment in which the set-up's own programs are found, after those of the system, and its fonts are seen.
 * @param {Record<string, string | undefined>} environment
 */
export function withOwnPrograms(environment, root = repositoryRoot) {
  const fonts = existsSync(fontSettingsOf(root)) ? { FONTCONFIG_FILE: fontSettingsOf(root) } : {};
  return { ...environment, ...fonts, PATH: [environment.PATH, ownProgramFolder(root)].filter(Boolean).join(delimiter) };
}

/**
 * Starters are written last: without them nothing counts as there.
 * @param {string} root
 */
function makeStarters(root) {
  const tree = treeOf(root);
  const fonts = [join(tree, "usr/share/fonts"), "/usr/share/fonts"].map((folder) => `  <dir>${folder}</dir>`).join("\n");
  const cache = join(runtimePaths(root).system, "font-cache");
  const settings = `<?xml version="1.0"?>\n<fontconfig>\n  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>\n${fonts}\n  <cachedir>${cache}</cachedir>\n</fontconfig>\n`;
  writeAtomically(fontSettingsOf(root), settings, 0o644);

  for (const [name, file] of PROGRAMS) {
    const program = join(tree, file);
    if (!existsSync(program)) continue;
    writeStarter(root, name, name === "Xvfb" ? startOfXvfb(tree, file) : `exec ${shellQuote(program)} "$@"`);
  }
}

/**
 * A script in `.runtime/system/bin` that starts a program with the unpacked libraries and fonts.
 * @param {string} root
 * @param {string} name
 * @param {string} start command of sh
 */
export function writeStarter(root, name, start) {
  const environment = Object.entries(unpackedEnvironment(root)).map(([variable, value]) => `export ${variable}=${shellQuote(value)}\n`).join("");
  mkdirSync(ownProgramFolder(root), { recursive: true });
  writeAtomically(join(ownProgramFolder(root), name), `#!/bin/sh\n${environment}${start}\n`, 0o755);
}

/**
 * Xvfb looks for keyboard descriptions, and for the program that compiles them, in fixed folders of the system.
 * @param {string} tree
 * @param {string} file
 */
function startOfXvfb(tree, file) {
  if (existsSync(join(tree, "usr/bin/xkbcomp"))) {
    // No option changes `/usr/bin/xkbcomp`. Without its leading slash it is found in the tree, where the starter runs it.
    const bytes = readFileSync(join(tree, file));
    const at = bytes.indexOf("\0/usr/bin\0");
    if (at >= 0) bytes.write("usr/bin\0\0", at + 1, "latin1");
    writeAtomically(join(tree, file), bytes, 0o755);
  }
  const descriptions = join(tree, "usr/share/X11/xkb");
  const option = existsSync(descriptions) ? ` -xkbdir ${shellQuote(descriptions)}` : "";
  return `cd ${shellQuote(tree)} && exec ./${file} "$@"${option}`;
}

/**
 * Folders that hold shared libraries.
 * @param {string} folder
 * @param {number} depth
 * @returns {string[]}
 */
function libraryFolders(folder, depth) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  const here = entries.some((entry) => !entry.isDirectory() && /\.so(\.|$)/.test(entry.name)) ? [folder] : [];
  const below = depth === 0 ? [] : entries.filter((entry) => entry.isDirectory()).flatMap((entry) => libraryFolders(join(folder, entry.name), depth - 1));
  // Chromium brings libraries of its own, meant for itself alone; it finds them beside its program.
  return [...here, ...below].filter((path) => !path.includes("/chromium"));
}

/**
 * @param {string} path
 * @param {string | Buffer} content
 * @param {number} mode
 */
function writeAtomically(path, content, mode) {
  writeFileSync(`${path}.new`, content);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
}
