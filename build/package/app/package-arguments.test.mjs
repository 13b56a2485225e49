import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePackageArguments } from "./package-arguments.mjs";

test("--dir makes only the folder, for the system at hand", () => {
  assert.deepEqual(parsePackageArguments(["--dir"], "linux"), { system: "linux", kinds: [], output: null, inspectable: false });
  assert.equal(parsePackageArguments(["--dir"], "darwin").system, "mac");
  assert.equal(parsePackageArguments(["--dir", "--win"], "linux").system, "win");
});

test("a system's name alone means all its kinds", () => {
  assert.deepEqual(parsePackageArguments(["--linux"], "linux").kinds, ["deb", "AppImage", "tar.gz"]);
  assert.deepEqual(parsePackageArguments([], "win32"), { system: "win", kinds: ["nsis"], output: null, inspectable: false });
  assert.deepEqual(parsePackageArguments(["--linux", "tar.gz", "--output", "/tmp/名前"], "linux"), { system: "linux", kinds: ["tar.gz"], output: "/tmp/名前", inspectable: false });
});

test("what is not understood is named", () => {
  for (const [args, words] of /** @type {[string[], RegExp][]} */ ([
    [["--linux", "msi"], /"msi"/],
    [["deb"], /"deb"/],
    [["--win", "--mac"], /Two systems/],
    [["--output"], /no folder/],
    [["--dir", "--linux", "deb"], /--dir makes no packages/],
    [["--everything"], /"--everything"/],
    [["--constructor"], /"--constructor"/],
  ])) {
    assert.throws(() => parsePackageArguments(args, "linux"), words);
  }
});
