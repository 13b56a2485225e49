import { ensureRuntime } from "./setup/main.mjs";
import { cleanEnvironment, runAttached } from "./setup/run-command.mjs";
import { runMain } from "./setup/user-error.mjs";

await runMain(async () => {
  const paths = await ensureRuntime({ tests: false });
  return runAttached(paths.python, ["-m", "live_avatar", "bench", ...process.argv.slice(2)], { env: cleanEnvironment(process.env) });
});
