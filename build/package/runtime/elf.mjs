import { spawnSync } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";

const MAGIC = Buffer.from("\x7fELF", "latin1");

/** Every Linux has these, and they fit its kernel and its C library. */
export const OF_THE_SYSTEM = /^(linux-vdso|ld-linux|lib(c|m|mvec|dl|pthread|rt|util|resolv|crypt))[-.]/;

/**
 * Whether a file is a program or library of Linux. Reads four bytes: some libraries have half a gigabyte.
 * @param {string} file
 */
export function isElf(file) {
  const start = Buffer.alloc(MAGIC.length);
  const handle = openSync(file, "r");
  try {
    readSync(handle, start);
  } finally {
    closeSync(handle);
  }
  return start.equals(MAGIC);
}

/**
 * The libraries a file links, and those that these link, by name, with where the loader finds them here.
 * @param {string} file
 * @returns {[string, string | null][]}
 */
export function linked(file) {
  const { stdout } = spawnSync("ldd", [file], { encoding: "utf8" });
  return (stdout ?? "").split("\n").flatMap((line) => {
    const found = /^\s*(\S+) => (\/.+?|not found)(?: \(0x[0-9a-f]+\))?$/.exec(line);
    return found === null ? [] : [/** @type {[string, string | null]} */ ([found[1], found[2] === "not found" ? null : found[2]])];
  });
}
