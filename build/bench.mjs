import { ensureRuntime } from "./setup/main.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { runMain } from "./setup/user-error.mjs";

// Without arguments: everything, the engine's speed and memory first, then the demo model's quality. With arguments:
// the engine alone, or the demo model alone after "quality".
await runMain(async () => {
  const chosen = process.argv.slice(2);
  const onlyQuality = chosen[0] === "quality";
  const paths = await ensureRuntime({ tests: onlyQuality || chosen.length === 0 });
  const python = (/** @type {string[]} */ ...args) => runAttached(paths.python, args, { env: cleanEnvironment(process.env) });
  const quality = (/** @type {string[]} */ ...args) => python("-m", "training.benchmark", ...args);
  if (onlyQuality) return quality(...chosen.slice(1));
  const speed = await python("-m", "live_avatar", "bench", ...chosen);
  return chosen.length > 0 ? speed : Math.max(speed, await quality());
});
