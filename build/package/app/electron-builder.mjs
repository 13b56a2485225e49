import { join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";
import { SetupError } from "../../setup/user-error.mjs";

/** @typedef {import("./package-arguments.mjs").System} System */

/**
 * Runs electron-builder: the unpacked program, and the kinds of packages that it makes itself.
 * @param {object} options
 * @param {import("electron-builder").Configuration} options.configuration
 * @param {System} options.system
 * @param {readonly string[]} options.kinds such as `AppImage`; `dir` is always made
 * @returns {Promise<readonly string[]>} the packages
 * @throws {SetupError} with its own words
 */
export async function runElectronBuilder({ configuration, system, kinds }) {
  // Signed when the environment names a certificate; never with one that happens to lie on the machine.
  process.env.CSC_IDENTITY_AUTO_DISCOVERY ??= "false";
  const { Arch, Platform, build } = await import("electron-builder");
  const platform = { linux: Platform.LINUX, win: Platform.WINDOWS, mac: Platform.MAC }[system];
  const targets = platform.createTarget(["dir", ...kinds], architectureOf(system) === "arm64" ? Arch.arm64 : Arch.x64);
  try {
    return await build({ projectDir: repositoryRoot, targets, config: { ...configuration, extends: null }, publish: "never" });
  } catch (error) {
    throw new SetupError(
      `The package could not be made (${["dir", ...kinds].join(", ")}).`,
      error instanceof Error ? error.message : String(error),
      "electron-builder fetches a tool of its own for AppImage, NSIS and dmg; docs/install/packages.md says what needs a network.",
    );
  }
}

/**
 * Where electron-builder lays out the unpacked program.
 * @param {string} output
 * @param {System} system
 */
export function unpackedFolder(output, system) {
  const suffix = architectureOf(system) === "arm64" ? "-arm64" : "";
  return join(output, system === "mac" ? `mac${suffix}` : `${system}${suffix}-unpacked`);
}

/** @param {System} system */
function architectureOf(system) {
  // Windows on ARM runs programs for x64, and torch has none for it.
  return process.arch === "arm64" && system !== "win" ? "arm64" : "x64";
}
