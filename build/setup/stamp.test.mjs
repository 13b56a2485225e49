import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { decide, pinnedLines, pinnedVersion, readStamp, requirementsHash, writeStamp } from "./stamp.mjs";

/** @type {import("./stamp.mjs").Stamp} */
const stamp = { format: 1, root: "/src", python: "3.11.2", torch: "cpu", requirements: "r1", tests: null };
/** @type {import("./stamp.mjs").Wanted} */
const wanted = { root: "/src", torch: "cpu", requirements: "r1", tests: null };

test("an environment that matches is ready", () => {
  assert.equal(decide(stamp, "3.11.2", wanted), "ready");
  assert.equal(decide({ ...stamp, tests: "t1" }, "3.11.2", wanted), "ready");
  assert.equal(decide({ ...stamp, tests: "t1" }, "3.11.2", { ...wanted, tests: "t1" }), "ready");
});

test("changed pins or missing test packages are an update", () => {
  assert.equal(decide(stamp, "3.11.2", { ...wanted, requirements: "r2" }), "update");
  assert.equal(decide(stamp, "3.11.2", { ...wanted, tests: "t1" }), "update");
  assert.equal(decide({ ...stamp, tests: "t0" }, "3.11.2", { ...wanted, tests: "t1" }), "update");
});

test("no stamp, another Python, a dead Python or a moved folder are a rebuild", () => {
  assert.equal(decide(null, "3.11.2", wanted), "rebuild");
  assert.equal(decide(stamp, "3.12.0", wanted), "rebuild");
  assert.equal(decide(stamp, null, wanted), "rebuild");
  assert.equal(decide(stamp, "3.11.2", { ...wanted, root: "/moved" }), "rebuild");
});

test("a new GPU is an update, a lost one is not", () => {
  assert.equal(decide(stamp, "3.11.2", { ...wanted, torch: "default" }), "update");
  assert.equal(decide({ ...stamp, torch: "default" }, "3.11.2", wanted), "ready");
});

test("comments, blank lines and line ends do not change the hash; versions do", () => {
  const plain = "av==1.0\ntorch==2.0\n";
  assert.equal(requirementsHash("# why\nav==1.0  # media\n\ntorch==2.0"), requirementsHash(plain));
  assert.notEqual(requirementsHash("av==1.1\ntorch==2.0\n"), requirementsHash(plain));
  assert.deepEqual(pinnedLines('colorama==0.4; sys_platform == "win32"\n#x\n'), ['colorama==0.4; sys_platform == "win32"']);
});

test("one pin is found by name, and a missing one is an error", () => {
  assert.equal(pinnedVersion("torchvision==9\ntorch==2.13.0\n", "torch"), "2.13.0");
  assert.throws(() => pinnedVersion("torchvision==9\n", "torch"), /does not pin torch/);
});

test("a stamp survives writing and reading; a damaged, foreign or missing one reads as none", () => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-stamp-"));
  const path = join(folder, "stamp.json");
  try {
    assert.equal(readStamp(path), null);
    writeStamp(path, stamp);
    assert.deepEqual(readStamp(path), stamp);
    writeFileSync(path, '{"format": 1, "root"');
    assert.equal(readStamp(path), null);
    writeFileSync(path, '{"format": 2}');
    assert.equal(readStamp(path), null);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
