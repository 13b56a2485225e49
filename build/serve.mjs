import { join } from "node:path";
import { ensureBuilt } from "./ensure-built.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { ensureNodePackages } from "./setup/node-packages.mjs";
import { runAttached } from "./setup/run-command.mjs";
import { runMain } from "./setup/user-error.mjs";

// Web mode: `npm run serve -- --server-port 7860`. What follows `--` is the server's.
await runMain(async () => {
  await ensureRuntime({ tests: false });
  await ensureNodePackages();
  const dist = await ensureBuilt(["server", "renderer"]);
  return runAttached(process.execPath, ["--enable-source-maps", join(dist, "server", "main.js"), ...process.argv.slice(2)]);
});
