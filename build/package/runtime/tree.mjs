import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Where things are in a runtime.
 * @param {string} root
 * @param {string} platform of Node
 * @param {string} version of Python, such as `3.11.7`
 */
export function treePaths(root, platform, version) {
  const windows = platform === "win32";
  const library = windows ? join(root, "Lib") : join(root, "lib", `python${version.split(".").slice(0, 2).join(".")}`);
  return {
    root,
    windows,
    python: windows ? join(root, "python.exe") : join(root, "bin", "python3"),
    programs: windows ? join(root, "Scripts") : join(root, "bin"),
    library,
    sitePackages: join(library, "site-packages"),
    licences: join(root, "licences"),
    /** Modules that Triton would otherwise compile on the user's machine. */
    prebuilt: join(root, "lib", "triton-prebuilt"),
  };
}

/** @typedef {ReturnType<typeof treePaths>} TreePaths */

/**
 * All files below a folder, links included, as paths relative to it with forward slashes, sorted by code points: the same everywhere.
 * @param {string} root
 * @returns {string[]}
 */
export function filesBelow(root) {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => !lstatSync(join(root, name)).isDirectory());
  return names.map((name) => name.replaceAll("\\", "/")).sort((one, other) => (one < other ? -1 : 1));
}
