import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout this script belongs to, links resolved, so that the stamp notices a moved folder. */
export const repositoryRoot = realpathSync(join(dirname(fileURLToPath(import.meta.url)), "..", ".."));

/**
 * Every path the set-up reads or writes.
 * @param {string} root
 */
export function runtimePaths(root) {
  const runtime = join(root, ".runtime");
  const engine = join(root, "python-runtime");
  return {
    root,
    engine,
    runtime,
    python: join(runtime, "bin", "python3"),
    stamp: join(runtime, "avatar-studio-setup.json"),
    lock: join(runtime, "avatar-studio-setup.lock"),
    log: join(runtime, "avatar-studio-setup.log"),
    requirements: join(engine, "requirements.txt"),
    constraints: join(engine, "constraints.txt"),
    cudaRequirements: join(engine, "requirements-cuda.txt"),
    testRequirements: join(engine, "requirements-dev.txt"),
    // The Python environment fills .runtime itself; these folders in it are not part of it.
    node: join(runtime, "node"),
    system: join(runtime, "system"),
    testElectron: join(runtime, "electron-test"),
  };
}

/** @typedef {ReturnType<typeof runtimePaths>} RuntimePaths */
