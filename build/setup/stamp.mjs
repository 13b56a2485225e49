import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";

/**
 * What a finished set-up left behind. Its absence means "not finished".
 * @typedef {object} Stamp
 * @property {1} format
 * @property {string} root checkout the environment was made for
 * @property {string} python version of its interpreter
 * @property {"cpu" | "default"} torch which build of torch was asked for
 * @property {string} requirements hash of requirements.txt
 * @property {string | null} tests hash of requirements-dev.txt, or null when it is not installed
 */

/**
 * @typedef {object} Wanted
 * @property {string} root
 * @property {"cpu" | "default"} torch
 * @property {string} requirements
 * @property {string | null} tests
 */

/** @typedef {"ready" | "update" | "rebuild"} Action */

/**
 * Hash of a requirements file; comments and blank lines do not count.
 * @param {string} text
 */
export function requirementsHash(text) {
  return createHash("sha256").update(pinnedLines(text).join("\n")).digest("hex");
}

/**
 * The lines of a requirements file that name a package.
 * @param {string} text
 */
export function pinnedLines(text) {
  return text.split("\n").map((line) => line.replace(/(^|\s)#.*$/, "").trim()).filter(Boolean);
}

/**
 * The exact version a requirements file pins a package to.
 * @param {string} text
 * @param {string} name
 */
export function pinnedVersion(text, name) {
  const found = pinnedLines(text).map((line) => /^([\w.-]+)==([^\s;]+)/.exec(line)).find((match) => match?.[1] === name);
  if (!found) throw new Error(`requirements.txt does not pin ${name}`);
  return found[2];
}

/**
 * What has to be done to turn the environment described by `stamp` into what is wanted.
 * @param {Stamp | null} stamp null when missing or unreadable
 * @param {string | null} pythonNow version the environment's interpreter reports now; null when it does not start
 * @param {Wanted} wanted
 * @returns {Action}
 */
export function decide(stamp, pythonNow, wanted) {
  // Launch scripts hold absolute paths and packages belong to one Python version, so neither can be mended in place.
  if (stamp === null || pythonNow !== stamp.python || stamp.root !== wanted.root) return "rebuild";
  // The default build of torch also runs without a GPU, so it is never exchanged for the CPU one.
  const torchFits = stamp.torch === wanted.torch || stamp.torch === "default";
  const testsFit = wanted.tests === null || wanted.tests === stamp.tests;
  return torchFits && testsFit && stamp.requirements === wanted.requirements ? "ready" : "update";
}

/**
 * @param {string} path
 * @returns {Stamp | null}
 */
export function readStamp(path) {
  try {
    const value = JSON.parse(readFileSync(path, "utf8"));
    return value.format === 1 ? value : null;
  } catch {
    return null;
  }
}

/**
 * Written last and atomically: a killed set-up leaves no stamp.
 * @param {string} path
 * @param {Stamp} stamp
 */
export function writeStamp(path, stamp) {
  writeFileSync(`${path}.new`, `${JSON.stringify(stamp, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}
