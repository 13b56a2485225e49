import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePipLine, pipNarrator } from "./pip-output.mjs";

test("pip's lines are understood", () => {
  assert.deepEqual(parsePipLine("Collecting av==18.1.0 (from -r requirements.txt (line 3))"), { kind: "collect", name: "av" });
  assert.deepEqual(parsePipLine("Requirement already satisfied: typing-extensions>=4 in /x"), { kind: "collect", name: "typing-extensions" });
  assert.deepEqual(parsePipLine("  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (526.6 MB)"), { kind: "download", name: "torch" });
  assert.deepEqual(parsePipLine("Downloading https://example.org/x/pydantic_core-2.50.4-cp311.whl.metadata (1 kB)"), { kind: "download", name: "pydantic_core" });
  assert.deepEqual(parsePipLine("Progress 262144 of 526600000"), { kind: "bytes", done: 262144, total: 526600000 });
  assert.deepEqual(parsePipLine("Installing collected packages: mpmath, numpy, torch"), { kind: "install", count: 3 });
  assert.deepEqual(parsePipLine("ERROR: No matching distribution found for torch==9"), { kind: "error", text: "No matching distribution found for torch==9" });
  assert.equal(parsePipLine("Looking in links: /wheels"), null);
});

test("the narrator says how far it is", () => {
  const narrate = pipNarrator(2);
  assert.equal(narrate("Collecting av==18.1.0"), "1 of 2 found (av)");
  assert.equal(narrate("  Downloading av-18.1.0-cp311.whl (35.8 MB)"), "downloading av");
  assert.equal(narrate("Progress 9000000 of 35800000"), "downloading av 9.0 of 36 MB");
  assert.equal(narrate("Progress 10 of 0"), null);
  assert.equal(narrate("Looking in links: /wheels"), null);
  assert.equal(narrate("Installing collected packages: a, b"), "unpacked 0 of 2");
});
