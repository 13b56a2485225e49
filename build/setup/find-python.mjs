import { spawnSync } from "node:child_process";
import { cleanEnvironment } from "./run-command.mjs";
import { SetupError } from "./user-error.mjs";

/** Versions of Python the pinned packages exist for, oldest first. */
export const SUPPORTED_MINORS = [11, 12, 13, 14];

/** Names tried in order: the machine's own choice first, then explicit versions. */
const CANDIDATES = ["python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"];

// ssl, zlib, ctypes and venv are missing from some minimal installations; the import fails with their name.
const PROBE = `
import json, platform, sys
import ctypes, ssl, venv, zlib
print(json.dumps({
    "executable": sys.executable,
    "version": list(sys.version_info[:3]),
    "implementation": sys.implementation.name,
    "bits": 64 if sys.maxsize > 2**32 else 32,
}))
`;

/**
 * @typedef {object} PythonFacts
 * @property {string} executable
 * @property {number[]} version
 * @property {string} implementation
 * @property {number} bits
 */

/**
 * Why this Python cannot be used, or null when it can.
 * @param {PythonFacts} facts
 * @returns {string | null}
 */
export function whyUnsuitable(facts) {
  const [major, minor] = facts.version;
  const version = facts.version.join(".");
  if (facts.implementation !== "cpython") return `${version} is ${facts.implementation}, not CPython`;
  if (facts.bits !== 64) return `${version} is a 32-bit build`;
  if (major !== 3 || !SUPPORTED_MINORS.includes(minor)) return `${version} is outside ${supportedRange()}`;
  return null;
}

/** The supported versions in words. */
export function supportedRange() {
  return `3.${SUPPORTED_MINORS[0]} to 3.${SUPPORTED_MINORS.at(-1)}`;
}

/**
 * Ask one executable what it is.
 * @param {string} command
 * @returns {PythonFacts | string | null} facts, the reason it does not work, or null when it does not exist
 */
function probe(command) {
  const result = spawnSync(command, ["-I", "-c", PROBE], { encoding: "utf8", env: cleanEnvironment(process.env), timeout: 60_000 });
  if (result.error) return /** @type {NodeJS.ErrnoException} */ (result.error).code === "ENOENT" ? null : result.error.message;
  if (result.status !== 0) return result.stderr.trim().split("\n").at(-1) || `exit status ${result.status}`;
  return JSON.parse(result.stdout);
}

/**
 * The Python the environment is built from. `AVATAR_STUDIO_PYTHON` names one explicitly.
 * @param {Record<string, string | undefined>} environment
 * @param {(command: string) => PythonFacts | string | null} ask
 * @returns {PythonFacts}
 * @throws {SetupError} when none fits; the message lists what was found and why it does not fit
 */
export function findPython(environment = process.env, ask = probe) {
  const chosen = environment.AVATAR_STUDIO_PYTHON;
  /** @type {string[]} */
  const rejected = [];
  for (const command of chosen ? [chosen] : CANDIDATES) {
    const answer = ask(command);
    if (answer === null) continue;
    const reason = typeof answer === "string" ? answer : whyUnsuitable(answer);
    if (reason === null) return /** @type {PythonFacts} */ (answer);
    rejected.push(`${command}: ${reason}`);
  }
  throw new SetupError(
    `No usable Python ${supportedRange()} was found.`,
    rejected.length > 0 ? `Found but not usable: ${rejected.join("; ")}.` : `Looked for: ${chosen ?? CANDIDATES.join(", ")}.`,
    "Install one (Debian, Ubuntu: apt install python3) or name one with AVATAR_STUDIO_PYTHON=/path/to/python3, then run the same command again.",
  );
}
