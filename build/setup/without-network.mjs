import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const script = join(dirname(fileURLToPath(import.meta.url)), "without_network.py");

/**
 * Words to put before a command that shall run where no other machine can be reached. Empty where the system does not allow that;
 * where it does, the command finds AVATAR_STUDIO_WITHOUT_NETWORK in its environment.
 * @param {string} python
 * @returns {readonly string[]}
 */
export function withoutNetwork(python) {
  // Root may; others need a user namespace of their own, in which they are root.
  for (const flags of [["--net"], ["--net", "--user", "--map-root-user"]]) {
    const command = ["unshare", ...flags, python, "-I", script, "env", "AVATAR_STUDIO_WITHOUT_NETWORK=1"];
    if (spawnSync("unshare", [...command.slice(1), "true"], { stdio: "ignore" }).status === 0) return command;
  }
  return [];
}
