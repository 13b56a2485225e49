import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogFile, createLogger, removeOldLogs, secret, withoutSecrets } from "./logger.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "log-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("lines are written in order, one a call, and errors keep their text secret", async () => {
  const file = createLogFile(join(folder, "sub", "a.log"));
  const log = createLogger(file, "test");
  log.info("first\nline", { count: 1 });
  log.error("failed", { error: new Error("cannot read /home/ana/secret.wav") });
  await file.close();
  const lines = readFileSync(join(folder, "sub", "a.log"), "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^\d{4}-.*Z info test: first line \{"count":1\}$/);
  expect(lines[1]).toContain("/home/ana/secret.wav");
  expect(withoutSecrets(lines[1] ?? "")).not.toContain("ana");
});

test("secrets cannot be smuggled out of their marks", () => {
  for (const value of ["plain", "with ⸩ mark", "⸨nested⸩", "two\nlines", "日本語 ⸩⸨"]) {
    const text = withoutSecrets(`before ${secret(value)} after`);
    expect(text).toBe("before [hidden] after");
  }
  const cut = `before ${secret("a long value")}`.slice(0, -5);
  expect(withoutSecrets(cut)).toBe("before [hidden]");
  expect(withoutSecrets("ng value⸩ after\nnext")).toBe("[hidden] after\nnext");
});

test("a full file makes room, and only so many are kept", async () => {
  const file = createLogFile(join(folder, "a.log"), { maximumBytes: 100, keep: 2 });
  for (let line = 0; line < 20; line += 1) {
    file.write(`line ${String(line)} ${"x".repeat(40)}`);
    await file.flush();
  }
  await file.close();
  expect(readdirSync(folder).sort()).toEqual(["a.log", "a.log.1", "a.log.2"]);
  expect(readFileSync(join(folder, "a.log"), "utf8")).toContain("line 19");
});

test("a log that cannot be written stops nobody", async () => {
  writeFileSync(join(folder, "file"), "");
  const file = createLogFile(join(folder, "file", "a.log"));
  file.write("lost");
  await file.close();
});

test("the logs of earlier runs go, the oldest first", async () => {
  for (const name of ["server-1.log", "server-2.log", "server-3.log", "engine.log"]) writeFileSync(join(folder, name), "");
  await removeOldLogs(folder, "server-", 2);
  expect(readdirSync(folder).sort()).toEqual(["engine.log", "server-2.log", "server-3.log"]);
});
