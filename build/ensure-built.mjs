import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleRenderer, bundleServer, bundleShell } from "./bundle.mjs";
import { withLock } from "./setup/lock.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { SetupError, runMain } from "./setup/user-error.mjs";

/**
 * One thing that is built: from which sources, into which folder below `dist/`.
 * @typedef {{ sources: string[], make: (folder: string) => Promise<void> }} Part
 */

const SHARED_SOURCES = ["electron/contract", "package-lock.json", "tsconfig.base.json", "build/bundle.mjs", "build/compress-page.mjs"];
const PAGE_SOURCES = ["renderer", "vite.config.ts", ...SHARED_SOURCES];
const SHELL_SOURCES = ["electron/shell", "resources/icons", ...SHARED_SOURCES];

/** @type {Record<"server" | "shell" | "renderer" | "shell-electron-9" | "renderer-electron-9", Part>} */
const PARTS = {
  server: { sources: ["electron/server", ...SHARED_SOURCES], make: (folder) => bundleServer(folder) },
  shell: { sources: SHELL_SOURCES, make: (folder) => bundleShell(folder) },
  renderer: { sources: PAGE_SOURCES, make: (folder) => bundleRenderer(folder) },
  "shell-electron-9": { sources: [...SHELL_SOURCES, "test/support/electron-9.ts"], make: (folder) => bundleShell(folder, "electron-9") },
  "renderer-electron-9": { sources: [...PAGE_SOURCES, "test/support/electron-9-page.ts"], make: (folder) => bundleRenderer(folder, "electron-9") },
};

/** @typedef {keyof typeof PARTS} PartName */

/** @type {readonly PartName[]} */
export const PRODUCT_PARTS = ["server", "shell", "renderer"];

/**
 * Build the parts whose sources have changed; returns at once when none has. Says so in one line.
 * @param {readonly PartName[]} names
 * @param {{ root?: string, say?: (line: string) => void }} options
 * @returns {Promise<string>} the folder that holds the parts
 * @throws {SetupError} when a part does not build
 */
export async function ensureBuilt(names = PRODUCT_PARTS, { root = repositoryRoot, say = (line) => process.stderr.write(`${line}\n`) } = {}) {
  const dist = join(root, "dist");
  mkdirSync(dist, { recursive: true });
  const stale = () => names.filter((name) => readIfThere(stampOf(dist, name)) !== sourcesHash(root, PARTS[name].sources) || !existsSync(join(dist, name)));
  if (stale().length === 0) return dist;
  await withLock(join(dist, "build.lock"), { onWait: (pid) => say(`Build: waiting for another build (process ${pid})`), pollMilliseconds: 100 }, async () => {
    const todo = stale();
    if (todo.length === 0) return;
    const started = Date.now();
    for (const name of todo) await buildPart(root, dist, name);
    say(`Build: ${todo.join(", ")} ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  });
  return dist;
}

/**
 * Built aside and exchanged, so that a failed or killed build leaves the last good one.
 * @param {string} root
 * @param {string} dist
 * @param {PartName} name
 */
async function buildPart(root, dist, name) {
  const hash = sourcesHash(root, PARTS[name].sources);
  const fresh = join(dist, `${name}.new`);
  const old = join(dist, `${name}.old`);
  rmSync(fresh, { recursive: true, force: true });
  try {
    await PARTS[name].make(fresh);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw new SetupError(`The ${name} does not build.`, error instanceof Error ? error.message : String(error), "Mend the source and run the same command again.");
  }
  rmSync(stampOf(dist, name), { force: true });
  rmSync(old, { recursive: true, force: true });
  if (existsSync(join(dist, name))) renameSync(join(dist, name), old);
  renameSync(fresh, join(dist, name));
  writeFileSync(stampOf(dist, name), hash);
  rmSync(old, { recursive: true, force: true });
}

/**
 * @param {string} dist
 * @param {PartName} name
 */
function stampOf(dist, name) {
  return join(dist, `${name}.stamp`);
}

/**
 * Hash over names and contents of all source files; tests do not count.
 * @param {string} root
 * @param {readonly string[]} sources files and folders
 */
export function sourcesHash(root, sources) {
  const hash = createHash("sha256");
  for (const source of sources) {
    for (const file of filesOf(root, source)) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update("\0");
  }
  return hash.digest("hex");
}

/**
 * @param {string} root
 * @param {string} source
 * @returns {string[]} files, in an order that is the same everywhere
 */
function filesOf(root, source) {
  /** @type {import("node:fs").Dirent[]} */
  let entries;
  try {
    entries = readdirSync(join(root, source), { withFileTypes: true });
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "ENOENT") return [];
    if (code === "ENOTDIR") return [source];
    throw error;
  }
  return entries
    .filter((entry) => !/\.test\.tsx?$/.test(entry.name))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesOf(root, `${source}/${entry.name}`) : [`${source}/${entry.name}`]));
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => {
    await ensureNodePackages();
    const unknown = process.argv.slice(2).filter((name) => !(name in PARTS));
    if (unknown.length > 0) throw new SetupError(`There is no part called "${unknown[0]}".`, `There are: ${Object.keys(PARTS).join(", ")}.`, "Name some of these, or none for the product.");
    const chosen = /** @type {PartName[]} */ (process.argv.slice(2));
    await ensureBuilt(chosen.length > 0 ? chosen : PRODUCT_PARTS);
    return 0;
  });
}
