import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runtimePaths, repositoryRoot } from "../../setup/paths.mjs";
import { pinnedLines } from "../../setup/stamp.mjs";
import { SetupError } from "../../setup/user-error.mjs";
import { parseOptions } from "./options.mjs";
import { strayLibraries } from "./library-closure.mjs";
import { neededGlibc } from "./pack.mjs";
import { correctRecords, NOT_CARRIED } from "./packages.mjs";
import { hasProgram, mustRun } from "./run.mjs";
import { treePaths } from "./tree.mjs";

const linux = { platform: "linux", arch: "x64" };

test("options: defaults, and what cannot be made here is refused in words", () => {
  assert.deepEqual(parseOptions([], linux), { platform: "linux", arch: "x64", gpu: "cpu", python: null, output: "output/packages", lockOnly: false });
  assert.equal(parseOptions(["--help"], linux), "help");
  for (const args of [["--platform", "win32-x64"], ["--gpu", "cu99"], ["--fast"], ["extra"]]) assert.throws(() => parseOptions(args, linux), SetupError, args.join(" "));
  assert.throws(() => parseOptions(["--gpu", "cu13"], { platform: "darwin", arch: "arm64" }), SetupError);
});

test("every lock has the versions of requirements.txt, torch's included, and a sha256 for each", () => {
  const paths = runtimePaths(repositoryRoot);
  const pins = pinnedLines([paths.requirements, paths.cudaRequirements, paths.constraints].map((path) => readFileSync(path, "utf8")).join("\n"));
  const pinned = new Map(pins.map((line) => /** @type {[string, string]} */ ((line.split(";")[0] ?? "").trim().toLowerCase().split("=="))));
  const folder = fileURLToPath(new URL("locks/", import.meta.url));
  const locks = readdirSync(folder).filter((name) => name.includes("-python"));
  assert.ok(locks.length > 0);
  for (const name of locks) {
    const lines = readFileSync(join(folder, name), "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of lines) {
      const [, key = "", version = ""] = /^([a-z0-9-]+)==([0-9A-Za-z.+]+) --hash=sha256:[0-9a-f]{64}$/.exec(line) ?? [];
      assert.notEqual(key, "", `${name}: ${line}`);
      // What torch pins itself, such as its CUDA libraries, stands in the lock alone.
      if (pinned.has(key)) assert.equal(version.split("+")[0], pinned.get(key), `${name}: ${key}`);
    }
    assert.deepEqual(lines.filter((line) => NOT_CARRIED.test(line.split("==")[0] ?? "")), [], name);
    for (const key of ["torch", "transformers", "av", "numpy"]) assert.ok(lines.some((line) => line.startsWith(`${key}==`)), `${name}: ${key}`);
  }
});

test("the Python to start from is pinned for every system, by sha256", () => {
  const { version, builds } = JSON.parse(readFileSync(new URL("python-builds.json", import.meta.url), "utf8"));
  for (const system of ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64"]) {
    assert.match(builds[system].sha256, /^[0-9a-f]{64}$/);
    assert.ok(decodeURIComponent(builds[system].url).includes(`cpython-${version}+`), system);
  }
});

test("a library that another machine would not have is named", { skip: process.platform !== "linux" || !hasProgram("cc") }, () => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio 名前 "));
  const library = (/** @type {string} */ path, /** @type {string[]} */ ...args) => mustRun("cc", ["-shared", "-fPIC", "-x", "c", "/dev/null", "-o", join(folder, path), "-Wl,--no-as-needed", ...args], { cwd: folder, doing: "compiling" });
  try {
    for (const name of ["runtime/lib", "elsewhere"]) mkdirSync(join(folder, name), { recursive: true });
    library("runtime/lib/libone.so", "-Wl,-soname,libone.so");
    library("runtime/two.so", "-Lruntime/lib", "-lone", "-Wl,-rpath,$ORIGIN/lib:$ORIGIN/../elsewhere");
    // The driver's own library is on no machine that makes archives.
    library("libcuda.so.1", "-Wl,-soname,libcuda.so.1");
    library("runtime/driver.so", "-L.", "-l:libcuda.so.1");
    const root = join(folder, "runtime");
    assert.deepEqual(strayLibraries(root), []);
    renameSync(join(root, "lib", "libone.so"), join(folder, "elsewhere", "libone.so"));
    assert.deepEqual(strayLibraries(root), [`two.so needs libone.so, which is not in the runtime but at ${join(folder, "elsewhere", "libone.so")}`]);
    rmSync(join(folder, "elsewhere"), { recursive: true });
    assert.deepEqual(strayLibraries(root), ["two.so needs libone.so, which is nowhere"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the C library that a tree needs is found in programs of any length, also where two stretches meet", () => {
  const root = mkdtempSync(join(tmpdir(), "avatar-studio-glibc-"));
  const program = (/** @type {string} */ name, /** @type {number} */ at, /** @type {string} */ version) => {
    const content = Buffer.alloc(at + 20);
    content.write("\x7fELF", "latin1");
    content.write(`${version}\0`, at, "latin1");
    writeFileSync(join(root, name), content);
  };
  try {
    assert.equal(neededGlibc(root), null);
    program("small.so", 4, "GLIBC_2.17");
    assert.equal(neededGlibc(root), "2.17");
    program("long.so.1", (1 << 24) - 5, "GLIBC_2.34");
    assert.equal(neededGlibc(root), "2.34");
    // Neither a program's text nor a file without code counts.
    writeFileSync(join(root, "notes.so"), "GLIBC_2.99\0");
    assert.equal(neededGlibc(root), "2.34");
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("lists of a package's files name what is there, without what was stripped or compiled", () => {
  const root = mkdtempSync(join(tmpdir(), "avatar-studio-record-"));
  try {
    const tree = treePaths(root, "linux", "3.11.7");
    mkdirSync(join(tree.sitePackages, "thing-1.0.dist-info"), { recursive: true });
    mkdirSync(join(tree.sitePackages, "thing"));
    writeFileSync(join(tree.sitePackages, "thing", "__init__.py"), "");
    writeFileSync(join(tree.sitePackages, "thing", "a, b.txt"), "");
    const record = join(tree.sitePackages, "thing-1.0.dist-info", "RECORD");
    writeFileSync(record, '../../../bin/thing,sha256=x,1\nthing/__init__.py,sha256=x,0\nthing/tests/test.py,sha256=x,9\n"thing/a, b.txt",sha256=x,0\nthing-1.0.dist-info/RECORD,,\n');
    correctRecords(tree);
    assert.equal(readFileSync(record, "utf8"), 'thing-1.0.dist-info/RECORD,,\nthing/__init__.py,,\n"thing/a, b.txt",,\n');
  } finally {
    rmSync(root, { recursive: true });
  }
});
