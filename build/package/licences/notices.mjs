import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuilt } from "../../ensure-built.mjs";
import { ensureRuntime } from "../../setup/main.mjs";
import { repositoryRoot, runtimePaths } from "../../setup/paths.mjs";
import { noticeText } from "./notice-text.mjs";
import { shippedParts } from "./shipped-parts.mjs";

export const NOTICE_FILE = "THIRD-PARTY-NOTICES.txt";
export const BILL_FILE = "sbom.cdx.json";

const PARTS = /** @type {const} */ (["server", "shell", "renderer"]);

/**
 * The licences' texts and the bill of materials, made anew when what they tell of has changed.
 * @param {{ say?: (line: string) => void }} options
 * @returns {Promise<string>} the folder with both files
 * @throws {import("../../setup/user-error.mjs").SetupError}
 */
export async function ensureNotices({ say = (line) => console.error(line) } = {}) {
  const { python } = await ensureRuntime({ tests: false });
  const dist = await ensureBuilt([...PARTS]);
  const folder = join(dist, "licences");
  const paths = runtimePaths(repositoryRoot);
  const pins = [paths.requirements, paths.cudaRequirements];
  const inputs = [...pins, join(repositoryRoot, "package-lock.json"), ...PARTS.map((part) => join(dist, `${part}.stamp`)), ...ownSources()];
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(readFileSync(input)).update("\0");
  const stamp = hash.digest("hex");
  if (readIfThere(join(folder, "stamp")) === stamp) return folder;

  const { version } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const electron = JSON.parse(readFileSync(join(repositoryRoot, "node_modules", "electron", "package.json"), "utf8"));
  const parts = shippedParts({ root: repositoryRoot, builtFolders: PARTS.map((part) => join(dist, part)), python, pins, electronVersion: electron.version });
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  writeFileSync(join(fresh, NOTICE_FILE), noticeText({ version, ...parts }));
  // Its library is there only once the Node packages are.
  const { billOfMaterials } = await import("./bill-of-materials.mjs");
  writeFileSync(join(fresh, BILL_FILE), billOfMaterials({ version, parts: [...parts.program, ...parts.engine, ...parts.own] }));
  writeFileSync(join(fresh, "stamp"), stamp);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  say(`Licences: ${parts.program.length + parts.engine.length} parts of others listed`);
  return folder;
}

function ownSources() {
  const here = dirname(fileURLToPath(import.meta.url));
  return readdirSync(here).filter((name) => !name.includes(".test.")).sort().map((name) => join(here, name));
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
