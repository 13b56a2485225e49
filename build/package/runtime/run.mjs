import { spawnSync } from "node:child_process";
import { cleanEnvironment } from "../../setup/run-command.mjs";
import { SetupError } from "../../setup/user-error.mjs";

/**
 * Run a program to its end and give back what it wrote; a failure is told with its last words.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string | undefined>, cwd?: string, doing: string }} options `doing` for the sentence of a failure, such as "installing the packages"
 * @returns {string} standard output
 * @throws {SetupError}
 */
export function mustRun(command, args, { env, cwd, doing }) {
  const result = spawnSync(command, args, { encoding: "utf8", cwd, env: env ?? cleanEnvironment(process.env), maxBuffer: 1 << 28 });
  if (result.status === 0) return result.stdout;
  const said = `${result.error?.message ?? ""}\n${result.stdout ?? ""}\n${result.stderr ?? ""}`.trim().split("\n").slice(-12).join("\n  ");
  throw new SetupError(`It failed while ${doing}.`, said, "Correct this, then run the same command again.");
}

/**
 * Whether a program is there.
 * @param {string} command
 */
export const hasProgram = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
