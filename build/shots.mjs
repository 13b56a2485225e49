import { ensureBuilt } from "./ensure-built.mjs";
import { runTypescript } from "./run-typescript.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { ensureSystemPackages } from "./setup/system-packages.mjs";
import { runMain } from "./setup/user-error.mjs";

await runMain(async () => {
  await ensureRuntime({ tests: false });
  await ensureNodePackages();
  await ensureSystemPackages();
  await ensureBuilt(["server", "renderer"]);
  return runTypescript("test/shots.ts", process.argv.slice(2));
});
