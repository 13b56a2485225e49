import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "./setup/paths.mjs";
import { runAttached } from "./setup/run-command.mjs";
import { withOwnPrograms } from "./setup/unpacked-packages.mjs";

/**
 * Run a TypeScript program of this repository on this terminal.
 * @param {string} file relative to the checkout
 * @param {string[]} args
 * @returns {Promise<number>} exit status
 */
export function runTypescript(file, args) {
  const loader = pathToFileURL(join(repositoryRoot, "build", "typescript-loader.mjs")).href;
  return runAttached(process.execPath, ["--enable-source-maps", "--import", loader, join(repositoryRoot, file), ...args], { env: withOwnPrograms(process.env) });
}
