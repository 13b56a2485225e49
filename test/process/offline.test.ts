import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";

/** A network of its own with nothing in it but this machine: with root's rights, or those that Linux gives to anybody in a user namespace. */
const CUT_OFF = ["--net", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"])];
const canCut = process.platform === "linux" && spawnSync("unshare", [...CUT_OFF, "ip", "link", "set", "lo", "up"]).status === 0;

interface Outcome {
  readonly outcome: string;
  readonly attempts: number;
  readonly counted: number;
}

async function runCutOff(): Promise<Outcome> {
  const loader = pathToFileURL(join(repositoryRoot, "build", "typescript-loader.mjs")).href;
  const program = [process.execPath, "--import", loader, join(repositoryRoot, "test", "process", "support", "offline-run.ts")];
  const { stdout } = await promisify(execFile)("unshare", [...CUT_OFF, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...program]);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Outcome;
}

test.skipIf(!canCut)("with the network cut, a preview is made, and nothing even tries to leave this machine", async () => {
  const { outcome, attempts, counted } = await runCutOff();
  expect({ outcome, attempts }).toEqual({ outcome: "finished", attempts: 0 });
  expect(counted).toBeGreaterThan(0);
});
