import { readFileSync, readdirSync } from "node:fs";

/** A process that runs now. */
export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Program and arguments. */
  readonly command: readonly string[];
}

/** All processes of this machine that may be looked at (Linux). */
export function runningProcesses(): RunningProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The command name may hold spaces and brackets; fields are counted after its closing one.
        const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").slice(0, -1);
        // A zombie has ended; only its parent has not noticed yet.
        return fields[0] === "Z" ? [] : [{ pid: Number(name), parent: Number(fields[1]), group: Number(fields[2]), command }];
      } catch {
        return [];
      }
    });
}

/**
 * Processes that were started with this variable in their environment, or by one that was: a program's whole family,
 * also those that changed their parent or group.
 */
export function processesMarked(name: string, value: string): RunningProcess[] {
  return runningProcesses().filter(({ pid }) => {
    try {
      return readFileSync(`/proc/${String(pid)}/environ`, "utf8").split("\0").includes(`${name}=${value}`);
    } catch {
      return false;
    }
  });
}

/** `kill -9`; nothing happens when the process has ended meanwhile. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
