import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const CONNECT_MILLISECONDS = 8_000;

/**
 * Electron's program, if it is there. `ELECTRON_OVERRIDE_DIST_PATH` names a folder that holds one.
 * @param {string} root
 * @param {Record<string, string | undefined>} environment
 * @returns {string | null}
 */
export function electronProgram(root, environment = process.env) {
  const folder = join(root, "node_modules", "electron");
  const name = readIfThere(join(folder, "path.txt")) ?? programName(process.platform);
  const program = join(environment.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, "dist"), name);
  return existsSync(program) ? program : null;
}

/**
 * Fetch the pinned Electron from where its makers publish it (or from `ELECTRON_MIRROR`).
 * @param {string} root
 * @param {(line: string) => void} say
 * @returns {Promise<string | null>} why it could not be fetched, or null when it is there now
 */
export async function fetchElectron(root, say) {
  const folder = join(root, "node_modules", "electron");
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const mirror = process.env.ELECTRON_MIRROR ?? "https://github.com/electron/electron/releases/download/";
  try {
    // The download itself would try for minutes where there is no way to its host.
    await fetch(mirror, { method: "HEAD", signal: AbortSignal.timeout(CONNECT_MILLISECONDS) });
  } catch {
    return `${new URL(mirror).host} cannot be reached`;
  }
  say(`Fetching Electron ${version} (about 110 MB, once)`);
  /** @type {string[]} */
  const lines = [];
  const status = await new Promise((resolve) => {
    const child = spawn(process.execPath, [join(folder, "install.js")], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.setEncoding("utf8").on("data", (text) => lines.push(text));
    child.once("error", () => resolve(1));
    child.once("close", resolve);
  });
  return status === 0 && electronProgram(root) !== null ? null : lines.join("").trim().split("\n")[0] || "its download failed";
}

/** @param {NodeJS.Platform} platform */
function programName(platform) {
  if (platform === "darwin") return "Electron.app/Contents/MacOS/Electron";
  return platform === "win32" ? "electron.exe" : "electron";
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
