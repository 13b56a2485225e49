import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAttempts } from "./attempts.ts";
import { createOneTimeTokens } from "./one-time-tokens.ts";
import { hashPassword, matchesPassword, readPassword, storePassword } from "./password.ts";
import { openSessions, SESSION_SECONDS } from "./sessions.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "auth-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("one-time tokens", () => {
  test("each works once, and only for a while", () => {
    let now = 0;
    const tokens = createOneTimeTokens(1_000, () => now);
    const [one, other] = [tokens.issue(), tokens.issue()];
    expect(one).not.toBe(other);
    expect([tokens.redeem(one), tokens.redeem(one), tokens.redeem("made up"), tokens.redeem("")]).toEqual([true, false, false, false]);
    now = 1_000;
    expect(tokens.redeem(other)).toBe(false);
  });

  test("asking for very many does not keep them all", () => {
    const tokens = createOneTimeTokens(1_000, () => 0);
    const issued = Array.from({ length: 500 }, () => tokens.issue());
    expect(issued.filter((token) => tokens.redeem(token)).length).toBe(100);
    expect(tokens.redeem(issued[499] ?? "")).toBe(false);
  });
});

describe("sessions", () => {
  test("outlive a restart, as digests only, and end after their time", async () => {
    const path = join(folder, "sessions.json");
    let now = 1_000_000;
    const first = await openSessions(path, () => now);
    const id = await first.open();
    expect(readFileSync(path, "utf8")).not.toContain(id);
    expect(statSync(path).mode & 0o077).toBe(0);
    const second = await openSessions(path, () => now);
    expect([second.isOpen(id), second.isOpen("x"), second.isOpen("")]).toEqual([true, false, false]);
    now += SESSION_SECONDS * 1000;
    expect(second.isOpen(id)).toBe(false);
  });

  test("a damaged or hostile file lets nobody in", async () => {
    const path = join(folder, "sessions.json");
    for (const text of ["", "{", "[]", '{"version":1,"sessions":[{"digest":5,"end":9e99}]}', "null"]) {
      writeFileSync(path, text);
      const sessions = await openSessions(path);
      expect(sessions.isOpen("")).toBe(false);
      expect(sessions.isOpen(await sessions.open())).toBe(true);
      sessions.closeAll();
      await sessions.flush();
    }
  });
});

/** Hashing is slow on purpose. */
describe("passwords", { timeout: 60_000 }, () => {
  test("only the right one matches; the file holds no password and is for its owner only", async () => {
    const path = join(folder, "password.json");
    await storePassword(path, await hashPassword("correct horse battery"));
    expect(readFileSync(path, "utf8")).not.toContain("horse");
    expect(statSync(path).mode & 0o077).toBe(0);
    const hash = await readPassword(path);
    expect(await matchesPassword("correct horse battery", hash!)).toBe(true);
    for (const wrong of ["", "correct horse batterY", "correct horse battery ", "x".repeat(5_000)]) expect(await matchesPassword(wrong, hash!)).toBe(false);
  });

  test("the same characters match, however the keyboard composes them", async () => {
    const hash = await hashPassword("äöü passwörter".normalize("NFC"));
    expect(await matchesPassword("äöü passwörter".normalize("NFD"), hash)).toBe(true);
  });

  test("short and very long ones are refused; a damaged file is an error, not an open door", async () => {
    await expect(hashPassword("short")).rejects.toMatchObject({ fault: { code: "PASSWORD_TOO_SHORT" } });
    await expect(hashPassword("x".repeat(1_001))).rejects.toMatchObject({ fault: { code: "PASSWORD_TOO_LONG" } });
    const path = join(folder, "password.json");
    expect(await readPassword(path)).toBeNull();
    for (const text of ["", "{}", '{"algorithm":"scrypt","N":1,"r":8,"p":1,"salt":"","key":""}']) {
      writeFileSync(path, text);
      await expect(readPassword(path)).rejects.toMatchObject({ fault: { code: "PASSWORD_FILE_DAMAGED" } });
    }
  });
});

describe("attempts", () => {
  test("after five wrong ones an address waits, another does not", () => {
    let now = 0;
    const attempts = createAttempts(() => now);
    expect(Array.from({ length: 6 }, () => attempts.begin("a"))).toEqual([0, 0, 0, 0, 0, 20]);
    expect(attempts.begin("b")).toBe(0);
    now += 20_000;
    expect([attempts.begin("a"), attempts.begin("a")]).toEqual([0, 20]);
    attempts.succeed("a");
    expect(attempts.begin("a")).toBe(0);
  });

  test("many addresses together wait too", () => {
    const attempts = createAttempts(() => 0);
    const waits = Array.from({ length: 40 }, (_, index) => attempts.begin(`address ${String(index)}`));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(30);
  });
});
