import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeStaleTemporaries, replaceAtomically, temporaryNameFor, writeFileAtomically, writeJsonAtomically } from "./atomic-file.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "atomic-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("content replaces content, and no temporary stays", async () => {
  const path = join(folder, "a.json");
  await writeFileAtomically(path, "one");
  await writeJsonAtomically(path, { two: 2 }, { mode: 0o600 });
  expect(readFileSync(path, "utf8")).toBe('{\n  "two": 2\n}\n');
  expect(readdirSync(folder)).toEqual(["a.json"]);
});

test("a write that fails in the middle leaves the old content and no temporary", async () => {
  const path = join(folder, "a");
  await writeFileAtomically(path, "old");
  const failing = replaceAtomically(path, async (file) => {
    await file.write("half of the n");
    throw new Error("disk full");
  });
  await expect(failing).rejects.toThrow("disk full");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("what cannot be put in place leaves no temporary", async () => {
  mkdirSync(join(folder, "taken", "full"), { recursive: true });
  await expect(writeFileAtomically(join(folder, "taken"), "x")).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(["taken"]);
  await expect(writeFileAtomically(join(folder, "missing", "a"), "x")).rejects.toMatchObject({ code: "ENOENT" });
});

test("many writers at once leave one whole content", async () => {
  const path = join(folder, "a");
  const contents = Array.from({ length: 30 }, (_, index) => String(index).repeat(10_000));
  await Promise.all(contents.map((content) => writeFileAtomically(path, content)));
  expect(contents).toContain(readFileSync(path, "utf8"));
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("left-overs of dead processes and of yesterday go; those of living ones and other files stay", async () => {
  const own = temporaryNameFor(join(folder, "own"));
  const old = temporaryNameFor(join(folder, "old"));
  const dead = join(folder, ".x.999999999-0123456789ab.partial");
  const other = join(folder, ".x.partial");
  for (const path of [own, old, dead, other]) writeFileSync(path, "");
  utimesSync(old, 1, 1);
  await removeStaleTemporaries(folder);
  expect([own, old, dead, other].map(existsSync)).toEqual([true, false, false, true]);
  await removeStaleTemporaries(join(folder, "missing"));
  chmodSync(folder, 0o700);
});
