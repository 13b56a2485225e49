import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { findProgram } from "./programs.mjs";
import { leadsToSnap, neededPackages } from "./system-packages.mjs";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "avatar-studio-programs-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/**
 * @param {string} folder
 * @param {string} name
 */
function program(folder, name, content = "#!/bin/sh\n") {
  mkdirSync(join(root, folder), { recursive: true });
  const file = join(root, folder, name);
  writeFileSync(file, content);
  chmodSync(file, 0o755);
  return file;
}

const path = () => [join(root, "one"), join(root, "two")].join(":");

test("a program of the system is taken before one that the set-up unpacked", () => {
  const own = program(".runtime/system/bin", "ffprobe");
  assert.equal(findProgram("ffprobe", { root, path: path() }), own);
  const system = program("two", "ffprobe");
  assert.equal(findProgram("ffprobe", { root, path: path() }), system);
});

test("a folder, a file that cannot be run, and a missing program are not found", () => {
  mkdirSync(join(root, "one", "Xvfb"), { recursive: true });
  chmodSync(program("two", "Xvfb"), 0o644);
  assert.equal(findProgram("Xvfb", { root, path: path() }), null);
  assert.equal(findProgram("ffmpeg", { root, path: "" }), null);
});

test("a browser's other names are known, and Ubuntu's script that asks for a snap is passed over", () => {
  program("one", "chromium-browser", '#!/bin/sh\nif ! [ -x /snap/bin/chromium ]; then echo "install the snap"; exit 1; fi\n');
  assert.equal(findProgram("chromium", { root, path: path() }), null);
  const chrome = program("two", "google-chrome");
  assert.equal(findProgram("chromium", { root, path: path() }), chrome);
});

test("a link is followed", () => {
  const real = program("two", "chrome-157");
  mkdirSync(join(root, "one"), { recursive: true });
  symlinkSync(real, join(root, "one", "chromium"));
  assert.equal(findProgram("chromium", { root, path: path() }), join(root, "one", "chromium"));
});

test("apt's candidate shows whether a package only leads to a snap", () => {
  assert.ok(leadsToSnap("chromium-browser:\n  Installed: (none)\n  Candidate: 2:1snap1-0ubuntu2\n"));
  assert.ok(!leadsToSnap("chromium:\n  Installed: (none)\n  Candidate: 156.0.8078.79-1~deb12u1\n"));
  assert.ok(!leadsToSnap(""));
});

test("the packages that Playwright misses are read from its listing", () => {
  assert.deepEqual(neededPackages("Missing system dependencies (2):\n  libnss3\n  libatk1.0-0t64\nInstall them with apt\n"), ["libnss3", "libatk1.0-0t64"]);
  assert.deepEqual(neededPackages(""), []);
});
