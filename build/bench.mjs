import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt } from "./ensure-built.mjs";
import { runTypescript } from "./run-typescript.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { ensureSystemPackages } from "./setup/system-packages.mjs";
import { runMain } from "./setup/user-error.mjs";

// Without arguments: the engine's speed and memory, then the demo model's quality. After "quality" the demo model alone;
// after the name of a file in test/bench/, such as "timeline", that measurement of the studio; otherwise the engine alone.
await runMain(async () => {
  const chosen = process.argv.slice(2);
  const [name = "", ...rest] = chosen;
  const studioBench = join("test", "bench", `${name}.ts`);
  if (/^[\w-]+$/.test(name) && existsSync(join(repositoryRoot, studioBench))) return measureStudio(studioBench, rest);

  const onlyQuality = name === "quality";
  const paths = await ensureRuntime({ tests: onlyQuality || chosen.length === 0 });
  const python = (/** @type {string[]} */ ...args) => runAttached(paths.python, args, { env: cleanEnvironment(process.env) });
  const quality = (/** @type {string[]} */ ...args) => python("-m", "training.benchmark", ...args);
  if (onlyQuality) return quality(...rest);
  const speed = await python("-m", "live_avatar", "bench", ...chosen);
  return chosen.length > 0 ? speed : Math.max(speed, await quality());
});

/**
 * @param {string} file
 * @param {string[]} args
 */
async function measureStudio(file, args) {
  await ensureRuntime({ tests: false });
  await ensureNodePackages();
  await ensureSystemPackages();
  await ensureBuilt(["server", "renderer"]);
  return runTypescript(file, args);
}
