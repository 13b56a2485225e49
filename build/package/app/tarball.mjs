import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";
import { SetupError } from "../../setup/user-error.mjs";
import { EXECUTABLE } from "./configuration.mjs";

/** Name and version that every package of ours begins with. */
export function packageFacts() {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  return { version: String(version), architecture: process.arch === "arm64" ? "arm64" : "x64" };
}

/**
 * The unpacked program as one file that unpacks into one folder. The system's tar keeps modes and links; names come sorted
 * and owners are root, so that the same program gives the same list.
 * @param {{ unpacked: string, output: string }} options
 * @returns {string} the file
 * @throws {SetupError}
 */
export function makeTarball({ unpacked, output }) {
  const { version, architecture } = packageFacts();
  const name = `${EXECUTABLE}-${version}-linux-${architecture}`;
  const file = join(output, `${name}.tar.gz`);
  const transform = `flags=r;s|^${basename(unpacked)}|${name}|`;
  const args = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", `--transform=${transform}`, "-czf", file, "-C", dirname(unpacked), basename(unpacked)];
  runTool("tar", args, file);
  return file;
}

/**
 * Runs a program of the system that makes a file.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} file removed when it is not whole
 */
export function runTool(command, args, file) {
  const { status, error, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (status === 0) return;
  rmSync(file, { force: true });
  throw new SetupError(`${basename(file)} could not be made.`, error?.message ?? (stderr.trim().split("\n").at(-1) || `${command} ended with status ${status}.`), `Install ${command} and run the same command again.`);
}
