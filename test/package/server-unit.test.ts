import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { parseCommand } from "../../electron/server/options.ts";

const unit = readFileSync(join(repositoryRoot, "docs", "install", "avatar-studio.service"), "utf8");
const there = spawnSync("systemd-analyze", ["--version"]).status === 0;

test("the unit's command line is one that the server understands", () => {
  const words = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  const args = words.slice(words.findIndex((word) => word.endsWith("main.js")) + 1);
  expect(parseCommand(args)).toMatchObject({ kind: "serve", options: { port: 7860, host: "127.0.0.1", dataFolder: "/var/lib/avatar-studio", allowedHosts: ["studio.example.org"], offline: true } });
});

test.skipIf(!there)("systemd finds no fault in the unit", () => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-unit-"));
  try {
    const verify = (text: string): string => {
      const file = join(folder, "avatar-studio.service");
      // Only that its program is not here is no fault of the unit.
      writeFileSync(file, text.replaceAll("/usr/bin/node", process.execPath));
      const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
      return (stdout + stderr).split("\n").filter((line) => line.includes("avatar-studio.service")).join("\n");
    };
    expect(verify(unit)).toBe("");
    expect(verify(unit.replace("ProtectHome=yes", "ProtectHome=maybe"))).toContain("protect home value");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
