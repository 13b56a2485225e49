import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { demoArguments } from "./demo-arguments.mjs";
import { ensureRuntime } from "./setup/main.mjs";
import { repositoryRoot } from "./setup/paths.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { runMain } from "./setup/user-error.mjs";

await runMain(async () => {
  const { args, output } = demoArguments(repositoryRoot, process.argv.slice(2));
  const paths = await ensureRuntime({ tests: false });
  mkdirSync(dirname(resolve(output)), { recursive: true });
  const started = performance.now();
  const status = await runAttached(paths.python, ["-m", "live_avatar", ...args], { env: cleanEnvironment(process.env) });
  if (status !== 0) return status;
  console.log(`The talking video took ${Math.round((performance.now() - started) / 1000)} s:\n${resolve(output)}`);
  return 0;
});
