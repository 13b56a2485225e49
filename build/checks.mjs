import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { runAttached } from "./setup/run-command.mjs";
import { SetupError, runMain } from "./setup/user-error.mjs";

/** Each has its own global types: Node's, the browser's, or both. */
const TYPESCRIPT_PROJECTS = [".", "electron", "renderer", "test"];

const tool = (/** @type {string} */ script, /** @type {string[]} */ ...args) =>
  runAttached(process.execPath, [join(repositoryRoot, "node_modules", script), ...args], { cwd: repositoryRoot });

/** @returns {Promise<number>} exit status */
export async function checkTypes() {
  let worst = 0;
  for (const project of TYPESCRIPT_PROJECTS) worst = Math.max(worst, await tool("typescript/bin/tsc", "-p", project));
  return worst;
}

/** @param {string[]} extra */
export const lint = (...extra) => tool("eslint/bin/eslint.js", "--max-warnings=0", ...(extra.length > 0 ? extra : ["."]));

export const findDeadCode = () => tool("knip/bin/knip.js", "--no-progress");

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => {
    const [what, ...extra] = process.argv.slice(2);
    await ensureNodePackages();
    switch (what) {
      case "types":
        return checkTypes();
      case "lint":
        return (await lint(...extra)) || (extra.length > 0 ? 0 : findDeadCode());
      default:
        throw new SetupError(`Unknown check "${what ?? ""}".`, "There are: types, lint.", "Name one of these.");
    }
  });
}
