import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where the makers of torch publish builds without CUDA libraries. */
export const CPU_INDEX = "https://download.pytorch.org/whl/cpu";

/**
 * Whether an NVIDIA driver is installed here.
 * @param {Record<string, string | undefined>} environment
 * @param {(path: string) => boolean} exists
 */
export function hasNvidiaDriver(environment = process.env, exists = existsSync) {
  const folders = [...(environment.PATH ?? "").split(":").filter(Boolean), "/usr/lib/wsl/lib"];
  return exists("/proc/driver/nvidia/version") || folders.some((folder) => exists(join(folder, "nvidia-smi")));
}

/**
 * On Linux the default build of torch brings gigabytes of CUDA libraries, useless without an NVIDIA GPU.
 * @param {NodeJS.Platform} platform
 * @param {boolean} nvidia
 * @returns {"cpu" | "default"}
 */
export function wantedTorchBuild(platform, nvidia) {
  return platform === "linux" && !nvidia ? "cpu" : "default";
}

/**
 * The version pip would install, read from `pip install --dry-run --report -`.
 * @param {string} report
 * @returns {string | null}
 */
export function reportedVersion(report) {
  try {
    return JSON.parse(report).install[0].metadata.version;
  } catch {
    return null;
  }
}
