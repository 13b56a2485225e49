import { join, resolve, sep } from "node:path";
import { SetupError } from "../../setup/user-error.mjs";
import { isElf, linked, OF_THE_SYSTEM } from "./elf.mjs";
import { filesBelow } from "./tree.mjs";

/** Wheels may count on these (the manylinux standard): every desktop and every Debian has them. */
const OF_EVERY_DISTRIBUTION = /^lib(stdc\+\+\.so\.6|gcc_s\.so\.1|z\.so\.1)$/;
/** They belong to the NVIDIA driver, and are asked for only where there is one. */
const OF_THE_DRIVER = /^lib(cuda|nvidia-ml)\.so\.1$/;

/**
 * What the programs and libraries of a tree link that is neither in it nor on every Linux, as sentences. Empty for a tree that works on other machines than this one.
 * @param {string} root
 * @returns {string[]}
 */
export function strayLibraries(root) {
  /** @type {Map<string, string>} */
  const strays = new Map();
  for (const file of filesBelow(root).filter((name) => isElf(join(root, name)))) {
    for (const [name, found] of linked(join(root, file))) {
      const path = found === null ? null : resolve(found);
      if (OF_THE_SYSTEM.test(name) || OF_EVERY_DISTRIBUTION.test(name) || OF_THE_DRIVER.test(name) || path?.startsWith(root + sep) === true) continue;
      if (!strays.has(name)) strays.set(name, `${file} needs ${name}, which is ${path === null ? "nowhere" : `not in the runtime but at ${path}`}`);
    }
  }
  return [...strays.values()];
}

/**
 * @param {string} root
 * @throws {SetupError} when a library that something in the tree links would be missing on another machine
 */
export function checkLibraries(root) {
  const strays = strayLibraries(root);
  if (strays.length > 0) throw new SetupError("The runtime is not whole.", strays.join("\n  "), "Correct what build/package/runtime/strip.mjs takes out, or bring the library in.");
}
