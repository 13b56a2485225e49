import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultDataFolder, openDataFolder } from "./data-folder.ts";
import { FaultError } from "./fault-error.ts";
import { identityOf } from "./process-identity.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "data-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hash = (text: string, digits: number): string => createHash("sha256").update(text).digest("hex").slice(0, digits);
const lockName = (pid: number, startTime: string, host = hostname()): string => `server-${String(pid)}-${hash(startTime, 12)}-${hash(host, 8)}.lock`;
const locks = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".lock"));
const refusal = async (): Promise<string> => {
  const outcome = await openDataFolder(folder).catch((error: unknown) => error);
  if (!(outcome instanceof FaultError)) throw new Error("Not refused");
  return `${outcome.fault.code} ${outcome.fault.why}`;
};

describe("the lock of the data folder", () => {
  test("is held, and given back", async () => {
    const [data, release] = await openDataFolder(folder);
    expect(locks()).toHaveLength(1);
    expect(readdirSync(folder)).toContain("projects");
    expect(data.jobs).toBe(join(data.path, "jobs"));
    await release();
    expect(locks()).toEqual([]);
  });

  test("of a living process refuses, naming it", async () => {
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    try {
      await once(other, "spawn");
      const identity = await identityOf(other.pid ?? 0);
      const name = lockName(other.pid ?? 0, identity?.startTime ?? "");
      // Also while it is still empty.
      writeFileSync(join(folder, name), "");
      expect(await refusal()).toMatch(/^DATA_FOLDER_IN_USE/);
      writeFileSync(join(folder, name), JSON.stringify({ pid: other.pid, host: hostname(), startedAt: "2026-01-31T12:00:00Z" }));
      expect(await refusal()).toContain(`process ${String(other.pid)} on ${hostname()}, started 2026-01-31T12:00:00Z`);
      expect(locks()).toEqual([name]);
    } finally {
      other.kill("SIGKILL");
      await once(other, "exit");
    }
    const [, release] = await openDataFolder(folder);
    expect(locks()).toHaveLength(1);
    await release();
  });

  test("of a process whose number was used again is taken over", async () => {
    writeFileSync(join(folder, lockName(process.ppid, "an earlier one")), "{}");
    writeFileSync(join(folder, lockName(999_999_999, "gone")), "");
    const [, release] = await openDataFolder(folder);
    expect(locks()).toHaveLength(1);
    await release();
  });

  test("of another machine is left alone", async () => {
    const name = lockName(1, "x", "another machine");
    writeFileSync(join(folder, name), "");
    expect(await refusal()).toContain(name);
    expect(locks()).toEqual([name]);
  });

  test("things that only look like locks do not matter", async () => {
    for (const name of ["server-1.lock", "server-x-y-z.lock", "server.lock"]) writeFileSync(join(folder, name), "");
    const [, release] = await openDataFolder(folder);
    await release();
    expect(locks()).toHaveLength(3);
  });
});

test("a folder that cannot be made is refused in words", async () => {
  writeFileSync(join(folder, "file"), "");
  await expect(openDataFolder(join(folder, "file", "data"))).rejects.toMatchObject({ fault: { code: "DATA_FOLDER_UNUSABLE" } });
});

test("each platform's place", () => {
  expect(defaultDataFolder("linux", {}, "/home/a")).toBe("/home/a/.local/share/avatar-studio");
  expect(defaultDataFolder("linux", { XDG_DATA_HOME: "/data" }, "/home/a")).toBe("/data/avatar-studio");
  expect(defaultDataFolder("linux", { XDG_DATA_HOME: "relative" }, "/home/a")).toBe("/home/a/.local/share/avatar-studio");
  expect(defaultDataFolder("darwin", {}, "/Users/a")).toBe("/Users/a/Library/Application Support/Avatar Studio");
});
