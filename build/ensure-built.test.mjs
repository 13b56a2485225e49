import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { sourcesHash } from "./ensure-built.mjs";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "avatar-studio-sources-"));
  mkdirSync(join(root, "src", "deep"), { recursive: true });
  writeFileSync(join(root, "src", "deep", "a.ts"), "one");
  writeFileSync(join(root, "single.json"), "{}");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const hash = () => sourcesHash(root, ["src", "single.json", "not-there"]);

test("content, names and places of sources count", () => {
  const seen = new Set([hash()]);
  writeFileSync(join(root, "src", "deep", "a.ts"), "two");
  seen.add(hash());
  renameSync(join(root, "src", "deep", "a.ts"), join(root, "src", "deep", "b.ts"));
  seen.add(hash());
  renameSync(join(root, "src", "deep", "b.ts"), join(root, "src", "b.ts"));
  seen.add(hash());
  writeFileSync(join(root, "single.json"), "[]");
  seen.add(hash());
  assert.equal(seen.size, 5);
});

test("tests and everything outside do not count", () => {
  const before = hash();
  writeFileSync(join(root, "src", "a.test.ts"), "x");
  writeFileSync(join(root, "src", "a.test.tsx"), "x");
  writeFileSync(join(root, "other.ts"), "x");
  assert.equal(hash(), before);
});
