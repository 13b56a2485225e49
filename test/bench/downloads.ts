import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { repositoryRoot } from "../../build/setup/paths.mjs";

/**
 * The model store's bars: `npm run bench -- downloads [gigabytes]`. Fetches 5 GB from a hub of our own with 50 faults, then kills downloads and imports at 30 random
 * moments. Ends with 1 when a checksum is wrong, a byte was fetched twice, or a kill cost more than it may.
 */
const gigabytes = process.argv[2] ?? "5";
const engine = join(repositoryRoot, "python-runtime");
const python = join(repositoryRoot, ".runtime", "bin", "python3");

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<boolean> {
  const child = spawn(python, args, { cwd: engine, env: { ...process.env, ...environment }, stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  return code === 0;
}

const fetched = await run(["-m", "tests.store_bench", "--gigabytes", gigabytes]);
const survived = await run(["-m", "pytest", "-q", "--no-header", "tests/test_store_kills.py"], { LIVE_AVATAR_KILLS: "30" });
process.exitCode = fetched && survived ? 0 : 1;
