import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { SetupError } from "../../setup/user-error.mjs";
import { isElf, linked, OF_THE_SYSTEM } from "./elf.mjs";
import { mustRun } from "./run.mjs";
import { stripSymbols } from "./symbols.mjs";
import { filesBelow } from "./tree.mjs";

/** Of the standard library: for developers, for windows of Tk, or installers of packages. */
const LEFT_OUT = ["test", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data", "venv", "site-packages", "EXTERNALLY-MANAGED"];
/** Of its compiled modules: they link what a runtime without terminal and window does not need, or are Python's own tests. */
const MODULES_LEFT_OUT = /^(_tkinter|_curses|_curses_panel|readline|nis|_crypt|ossaudiodev|spwd|_dbm|_gdbm|_test\w*|_xxtestfuzz|xxlimited\w*|_ctypes_test)\./;
/**
 * Copy a CPython so that it works in any folder, and needs nothing from the one it came from nor from the system beyond glibc.
 * @param {{ prefix: string, version: string }} python
 * @param {import("./tree.mjs").TreePaths} tree
 * @param {() => string} findPatchelf asked on Linux only
 * @returns {string[]} files of the build machine's system that were copied in, for their licences
 */
export function copyMovable(python, tree, findPatchelf) {
  if (tree.windows) {
    cpSync(python.prefix, tree.root, { recursive: true, filter: (from) => !LEFT_OUT.includes(basename(from)) && !["Scripts", "include", "libs", "tcl", "Doc", "Tools"].includes(relative(python.prefix, from)) });
    mkdirSync(tree.sitePackages, { recursive: true });
    return [];
  }
  const short = basename(tree.library);
  mkdirSync(tree.programs, { recursive: true });
  // One name and no links: an archive of plain files is the easiest to check.
  copyFileSync(realpathSync(join(python.prefix, "bin", "python3")), tree.python);
  chmodSync(tree.python, 0o755);
  cpSync(join(python.prefix, "lib", short), tree.library, { recursive: true, dereference: true, filter: (from) => keeps(from, join(python.prefix, "lib", short)) });
  const headers = join(python.prefix, "include", short);
  if (existsSync(headers)) cpSync(headers, join(tree.root, "include", short), { recursive: true, dereference: true });
  mkdirSync(tree.sitePackages, { recursive: true });
  for (const name of readdirSync(join(python.prefix, "lib"))) {
    if (/^libpython3\.\d+\.(so\.1\.0|dylib)$/.test(name)) copyFileSync(join(python.prefix, "lib", name), join(tree.root, "lib", name));
  }
  if (process.platform !== "linux") return [];
  // Before search paths are written: strip can spoil what patchelf has moved.
  stripSymbols(tree.root);
  return closeOverLibraries(tree, findPatchelf());
}

/**
 * @param {string} from
 * @param {string} library
 */
function keeps(from, library) {
  const name = basename(from);
  const [top] = relative(library, from).split("/");
  if (LEFT_OUT.includes(top ?? "") || name === "__pycache__" || name === "tests" || name.startsWith("config-3")) return false;
  return !(basename(dirname(from)) === "lib-dynload" && MODULES_LEFT_OUT.test(name));
}

/**
 * Make every program and library of the tree find the others relative to itself, and bring in what they need from the system.
 * @param {import("./tree.mjs").TreePaths} tree
 * @param {string} patchelf
 * @returns {string[]} what was brought in
 */
function closeOverLibraries(tree, patchelf) {
  const libraries = join(tree.root, "lib");
  /** @type {Map<string, string>} */
  const brought = new Map();
  const waiting = filesBelow(tree.root).map((file) => join(tree.root, file)).filter(isElf);
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    for (const [name, path] of linked(file)) {
      if (OF_THE_SYSTEM.test(name) || existsSync(join(libraries, name))) continue;
      if (path === null) throw new SetupError(`${basename(file)} needs ${name}, which is not on this machine.`, "The Python to start from is not complete.", "Install that library, or use another Python.");
      const copy = join(libraries, name);
      // Copied by content: what the system keeps read-only must still be strippable.
      writeFileSync(copy, readFileSync(path), { mode: 0o755 });
      brought.set(name, realpathSync(path));
      waiting.push(copy);
    }
    setSearchPath(patchelf, file, `$ORIGIN${dirname(file) === libraries ? "" : `/${relative(dirname(file), libraries)}`}`);
  }
  return [...brought.values()].sort();
}

/**
 * @param {string} patchelf
 * @param {string} file
 * @param {string} path
 */
function setSearchPath(patchelf, file, path) {
  // patchelf rewrites also what is right already; python-build-standalone has no need of it.
  if (spawnSync(patchelf, ["--print-rpath", file], { encoding: "utf8" }).stdout?.trim() === path) return;
  mustRun(patchelf, ["--set-rpath", path, file], { doing: `making ${basename(file)} movable` });
}

/**
 * Remove what Python has compiled.
 * @param {string} folder
 */
export function removeCaches(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (basename(name) === "__pycache__") rmSync(join(folder, name), { recursive: true, force: true });
  }
}
