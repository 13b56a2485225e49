import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot, runtimePaths } from "../../build/setup/paths.mjs";

const GIGABYTES = 1024;
const card = (index: number, usedGigabytes: number, busy: number): string =>
  [index, `GPU-5a1e0c6e-6f0f-4a1b-9d36-2f0e6c0f7a1${String(index)}`, `00000000:${String(index + 1)}1:00.0`, "NVIDIA GeForce RTX 4090", "580.95.05", 24 * GIGABYTES, (24 - usedGigabytes) * GIGABYTES, busy, 61 + index, 288.5, "8.9"].join(", ");

/** What the engine was asked, in JSON, a request a line. */
export const REQUESTS = "requests.jsonl";

/**
 * Makes in `folder` what a machine with two cards would have: its driver's program, and an engine that says what was recorded of one. Everything else
 * that is asked of the Python runtime is answered by the real one.
 * @returns the environment for a studio there
 */
export function machineWithTwoCards(folder: string): Readonly<Record<string, string>> {
  const program = (path: string, text: string): void => {
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  };
  const [tools, runtime] = [join(folder, "tools"), join(folder, "runtime")];
  mkdirSync(tools, { recursive: true });
  mkdirSync(join(runtime, "bin"), { recursive: true });
  program(join(tools, "nvidia-smi"), `#!/bin/sh\ncat <<'END'\n${card(0, 20, 97)}\n${card(1, 16, 93)}\nEND\n`);
  const examples = join(repositoryRoot, "python-runtime", "live_avatar", "protocol", "examples");
  const worker = `exec "${process.execPath}" "${join(repositoryRoot, "test", "support", "recorded-worker.mjs")}" "${examples}" "${join(folder, REQUESTS)}"`;
  program(join(runtime, "bin", "python3"), `#!/bin/sh\ncase "$*" in *live_avatar.worker*) ${worker};; esac\nexec "${runtimePaths(repositoryRoot).python}" "$@"\n`);
  return { AVATAR_STUDIO_RUNTIME: runtime, PATH: `${tools}:${process.env.PATH ?? ""}` };
}
