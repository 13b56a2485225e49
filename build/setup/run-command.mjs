import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

// Settings of the caller's shell that would send packages or imports elsewhere.
const REMOVED = [
  "PYTHONHOME",
  "PYTHONPATH",
  "PYTHONSTARTUP",
  "PYTHONDONTWRITEBYTECODE",
  "VIRTUAL_ENV",
  "__PYVENV_LAUNCHER__",
  "PIP_TARGET",
  "PIP_PREFIX",
  "PIP_ROOT",
  "PIP_USER",
  "PIP_REQUIRE_VIRTUALENV",
];

/**
 * The caller's environment without what would misdirect Python or pip. Proxies, certificates and package indexes stay.
 * @param {Record<string, string | undefined>} environment
 * @returns {Record<string, string | undefined>}
 */
export function cleanEnvironment(environment) {
  const kept = Object.entries(environment).filter(([name]) => !REMOVED.includes(name));
  return { ...Object.fromEntries(kept), PYTHONNOUSERSITE: "1", PYTHONUTF8: "1", PIP_NO_INPUT: "1", PIP_DISABLE_PIP_VERSION_CHECK: "1" };
}

/**
 * Run a program, hand each output line to `onLine`, and resolve with its exit status.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, onLine?: (line: string) => void, onStart?: (pid: number) => void }} options
 * @returns {Promise<number>}
 */
export function runLines(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "pipe"] });
    const stop = forwardSignals(child);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => options.onLine?.(line));
    }
    child.once("spawn", () => options.onStart?.(/** @type {number} */ (child.pid)));
    child.once("error", (error) => { stop(); reject(error); });
    child.once("close", (status) => { stop(); resolve(status ?? 1); });
  });
}

/**
 * Run a program on this terminal and resolve with its exit status.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined> }} options
 * @returns {Promise<number>}
 */
export function runAttached(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: "inherit" });
    const stop = forwardSignals(child);
    child.once("error", (error) => { stop(); reject(error); });
    child.once("close", (status, signal) => { stop(); resolve(status ?? (signal === "SIGINT" ? 130 : 1)); });
  });
}

/**
 * While the child runs, an interrupt is the child's to answer; this process ends when the child has.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {() => void} stops forwarding
 */
function forwardSignals(child) {
  // A terminal sends Ctrl-C to the whole group itself; sending it again would interrupt the child's clean stop.
  const onInterrupt = () => { if (!process.stdin.isTTY) child.kill("SIGINT"); };
  const onTerminate = () => child.kill("SIGTERM");
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate).on("SIGHUP", onTerminate);
  return () => { process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate).off("SIGHUP", onTerminate); };
}
