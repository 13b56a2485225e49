import { spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { fileTree } from "../support/file-tree.ts";

const script = join(repositoryRoot, "build", "package", "app", "uninstall.sh");

/** A home in which Avatar Studio was used, and things that are not its own. */
const USED = [
  ".config/avatar-studio/window.json",
  ".local/share/avatar-studio/runtimes/1-0.1.0-linux-x64-cpu/bin/python3",
  ".local/share/avatar-studio/runtimes/2.partial/tree/x",
  ".local/share/avatar-studio/cache/peaks",
  ".local/share/avatar-studio/logs/server.log",
  ".local/share/avatar-studio/uploads/part",
  ".local/share/avatar-studio/sessions.json",
  ".local/share/avatar-studio/settings.json",
  ".local/share/avatar-studio/projects.json",
  ".local/share/avatar-studio/jobs/1.json",
  ".local/share/avatar-studio/projects/Anna 肖像/project.avatar",
  ".local/share/avatar-studio/checkpoints/14B/config.json",
  ".local/share/avatar-studio/models/14B.json",
];
const OF_OTHERS = [".config/other/x", ".local/share/avatar-studio-other/y", "Documents/project.avatar"];
const MODELS = [".local/share/avatar-studio/checkpoints/14B/config.json", ".local/share/avatar-studio/models/14B.json"];
const PROJECTS = ["jobs/1.json", "projects.json", "projects/Anna 肖像/project.avatar", "settings.json"].map((name) => `.local/share/avatar-studio/${name}`);

let place = "";
let home = "";
let program = "";

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "avatar-studio-uninstall-"));
  home = join(place, "home 家");
  program = join(place, "名前 with space", "avatar-studio-0.1.0-linux-x64");
  for (const name of [...USED, ...OF_OTHERS]) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), "x");
  }
  mkdirSync(join(program, "resources"), { recursive: true });
  cpSync(script, join(program, "resources", "uninstall.sh"));
  for (const name of ["avatar-studio", "resources/app.asar", "libffmpeg.so"]) writeFileSync(join(program, name), "x");
  writeFileSync(join(dirname(program), "of somebody else"), "x");
});

afterEach(() => {
  spawnSync("chmod", ["-R", "u+w", place]);
  rmSync(place, { recursive: true, force: true });
});

const environment = (): Record<string, string> => ({ PATH: process.env.PATH ?? "", HOME: home, LANG: "C.UTF-8" });
const remains = (): string[] => fileTree(home);

/** Runs it as a double-click or a pipe would: nobody can be asked. */
function uninstall(args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync("sh", [join(program, "resources", "uninstall.sh"), ...args], { encoding: "utf8", env: environment(), input: "" });
  return { status, text: stdout + stderr };
}

/** Runs it on a terminal and answers its questions in turn. */
function uninstallOnTerminal(answers: readonly string[], variables: Readonly<Record<string, string>> = {}): string {
  const command = `sh '${join(program, "resources", "uninstall.sh")}'`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8", env: { ...environment(), ...variables }, input: answers.map((answer) => `${answer}\n`).join("") });
  return stdout;
}

describe("the uninstaller asks", () => {
  test.each([
    { answers: ["y", "n", "n"], kept: [...MODELS, ...PROJECTS] },
    { answers: ["", "", ""], kept: [...MODELS, ...PROJECTS] },
    { answers: ["y", "y", "n"], kept: PROJECTS },
    { answers: ["y", "n", "y"], kept: MODELS },
    { answers: ["yes", "y", "y"], kept: [] },
  ])("answers $answers keep $kept.length files, and nothing else", ({ answers, kept }) => {
    const text = uninstallOnTerminal(answers);
    expect(remains()).toEqual([...kept, ...OF_OTHERS].sort());
    expect(fileTree(dirname(program))).toEqual(["of somebody else"]);
    expect(text).toContain(kept.length === 0 ? "Nothing was kept." : "Kept: ");
  });

  test("no to the first question changes nothing", () => {
    uninstallOnTerminal(["n"]);
    expect(remains()).toEqual([...USED, ...OF_OTHERS].sort());
    expect(existsSync(join(program, "avatar-studio"))).toBe(true);
  });

  test("in Chinese for whom the system is Chinese", () => {
    expect(uninstallOnTerminal(["是", "", "是"], { LANG: "zh_CN.UTF-8" })).toContain("同时删除模型");
    expect(remains()).toEqual([...MODELS, ...OF_OTHERS].sort());
  });
});

describe("without anybody to ask", () => {
  test("models and projects are kept", () => {
    expect(uninstall([]).status).toBe(0);
    expect(remains()).toEqual([...MODELS, ...PROJECTS, ...OF_OTHERS].sort());
  });

  test("options say what goes", () => {
    expect(uninstall(["--yes", "--remove-models", "--remove-projects"]).status).toBe(0);
    expect(remains()).toEqual([...OF_OTHERS].sort());
  });

  test("an unknown option removes nothing", () => {
    expect(uninstall(["--remove-everything"]).status).toBe(2);
    expect(remains()).toEqual([...USED, ...OF_OTHERS].sort());
  });
});

test("nothing is removed while the studio runs", async () => {
  // Looks like the studio's server to `ps`, and holds its lock.
  const running = spawn("sh", ["-c", "read line"], { argv0: "avatar-studio", stdio: ["pipe", "ignore", "ignore"] });
  try {
    writeFileSync(join(home, ".local/share/avatar-studio", `server-${String(running.pid)}-0123456789ab-01234567.lock`), "");
    const { status, text } = uninstall(["--yes"]);
    expect(status).toBe(1);
    expect(text).toContain(String(running.pid));
    expect(existsSync(join(home, USED[1] ?? ""))).toBe(true);
  } finally {
    running.kill();
  }
  await new Promise((resolve) => running.once("exit", resolve));
  // The lock of a process that is gone holds nobody up.
  expect(uninstall(["--yes"]).status).toBe(0);
});

test("of moved data that is not kept, the link goes too", () => {
  const data = join(home, ".local/share/avatar-studio");
  const disk = join(place, "other disk");
  cpSync(data, disk, { recursive: true });
  rmSync(data, { recursive: true });
  symlinkSync(disk, data);
  uninstall(["--yes", "--remove-models", "--remove-projects"]);
  expect(existsSync(disk)).toBe(false);
  expect(remains()).toEqual([...OF_OTHERS].sort());
});

test("data that was moved to another disk and linked is found there", () => {
  const disk = join(place, "other disk");
  cpSync(join(home, ".local/share/avatar-studio"), disk, { recursive: true });
  rmSync(join(home, ".local/share/avatar-studio"), { recursive: true });
  symlinkSync(disk, join(home, ".local/share/avatar-studio"));
  uninstall(["--yes", "--keep-models", "--remove-projects"]);
  expect(fileTree(disk)).toEqual(["checkpoints/14B/config.json", "models/14B.json"]);
  expect(existsSync(join(home, ".local/share/avatar-studio"))).toBe(true);
});

test("a read-only program folder goes too, and what is not the program's stays", () => {
  chmodSync(program, 0o555);
  uninstall(["--yes"]);
  expect(fileTree(dirname(program))).toEqual(["of somebody else"]);
});

test("a script that lies elsewhere removes no folder around it", () => {
  const elsewhere = join(place, "scripts", "resources");
  mkdirSync(elsewhere, { recursive: true });
  cpSync(script, join(elsewhere, "uninstall.sh"));
  writeFileSync(join(place, "scripts", "mine"), "x");
  spawnSync("sh", [join(elsewhere, "uninstall.sh"), "--yes"], { env: environment(), input: "" });
  expect(fileTree(join(place, "scripts"))).toEqual(["mine", "resources/uninstall.sh"]);
});
