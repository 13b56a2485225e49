import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Dialog } from "electron";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { FRAMES_PER_SECOND } from "../../electron/contract/time.ts";
import { ensureTestArchive } from "../../build/package/test-archive.mjs";
import { unpackedProgram } from "../support/packaged.ts";
import { fileTree } from "../support/file-tree.ts";
import { decodePictures, difference, probeStreams } from "../support/pictures.ts";
import { openVirtualScreen, type VirtualScreen } from "../support/virtual-screen.ts";
import { type InstalledProgram, type RunningProgram, click, startAgain, startProgram, untilSaid } from "./installed-program.ts";

/* The installed program as a user has it: its own folder with a difficult name, nothing else on the machine, no network. One story, told in order. */

/** Renders on two cores that others may use too. How long it takes is printed, not judged: the bar is three minutes on a machine of its own. */
const PATIENCE_MILLISECONDS = 600_000;

/** Told where it was installed, and in the list of checks. */
const ENGINE_INSTALLED = /Engine \S+ is installed\./;
const ENGINE_READY = /Engine \d+\.\d+\.\d+, Python 3\./;

/** Libraries for graphics, fonts and sound keep files for all programs together; folders that the system prescribes may stay empty. */
const OF_THE_SYSTEM = /^\.cache\/(mesa_shader_cache|fontconfig)|^\.config\/pulse\/|^(\.config|\.cache|\.local\/share)\/$/;

let place = "";
let screen: VirtualScreen | null = null;
let running: RunningProgram | null = null;
let installed: InstalledProgram = { folder: "", home: "", display: "" };

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "avatar-studio-package-"));
  screen = await openVirtualScreen();
  installed = { folder: join(place, "名前 with space", "Avatar Studio"), home: join(place, "home 家"), display: screen.display };
  cpSync(unpackedProgram, installed.folder, { recursive: true, verbatimSymlinks: true });
  for (const file of await ensureTestArchive()) cpSync(file, join(dirname(installed.folder), basename(file)));
  readOnly(installed.folder);
});

/** What comes after a part that failed cannot be told. */
let broken = false;
beforeEach(() => {
  if (broken) throw new Error("An earlier part of the story failed.");
});
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  broken = true;
  await running?.page.screenshot({ path: join(tmpdir(), "avatar-studio-package.png") }).catch(() => undefined);
});

afterAll(async () => {
  await running?.kill();
  await screen?.close();
  writable(place);
  rmSync(place, { recursive: true, force: true });
});

/** For root, who may write everywhere, the list of files afterwards is what tells. */
function readOnly(folder: string): void {
  spawnSync("chmod", ["-R", "a-w", folder]);
}

function writable(folder: string): void {
  spawnSync("chmod", ["-R", "u+w", folder]);
}

const data = (): string => join(installed.home, ".local", "share", "avatar-studio");

/** The server takes its lock away when it has written everything; a server that was killed leaves it. */
const serverLocks = (): string[] => readdirSync(data()).filter((name) => name.endsWith(".lock"));

describe("the packaged program", () => {
  test("has no network, when the suite was started without one", () => {
    if (process.env.AVATAR_STUDIO_WITHOUT_NETWORK === undefined) return;
    expect(Object.keys(networkInterfaces())).toEqual(["lo"]);
  });

  test("from the double-click to the first preview", { timeout: 2 * PATIENCE_MILLISECONDS }, async () => {
    const before = fileTree(installed.folder);
    const started = performance.now();
    running = await startProgram(installed);
    const { page } = running;
    // The one question of the installation.
    await click(page, /^Install the engine$/);
    await untilSaid(page, ENGINE_INSTALLED, PATIENCE_MILLISECONDS);
    const engineAfter = performance.now() - started;
    await click(page, /^Ben · /);
    await click(page, /^Preview · about/);
    await page.waitForFunction(() => location.hash.startsWith("#/studio/"));
    // The picture moves: it is decoded and played, not only written.
    await page.waitForFunction(() => [...document.querySelectorAll("video")].some((video) => video.readyState >= 2 && video.videoWidth > 0), undefined, { timeout: PATIENCE_MILLISECONDS });
    const took = performance.now() - started;
    console.log(`From the double-click to the first preview: ${(took / 1000).toFixed(1)} s (window after ${(running.openedAfter / 1000).toFixed(1)} s, engine installed after ${(engineAfter / 1000).toFixed(1)} s)`);
    expect(fileTree(installed.folder)).toEqual(before);
  });

  test("a second double-click brings the first window to the front, and ends", async () => {
    expect(await startAgain(installed)).toBe(0);
    expect(await theRunning().app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
  });

  test("the finished video is a file that others play: pictures that move, sound, the recording's length", { timeout: PATIENCE_MILLISECONDS }, async () => {
    const { app, page } = theRunning();
    const file = join(place, "Ben 视频.mp4");
    await page.waitForFunction(() => {
      const clips = [...document.querySelectorAll("[role=listbox] [role=option]")].map((clip) => clip.textContent).filter((text) => text.startsWith("Clip "));
      return clips.length > 0 && clips.every((text) => text.endsWith("up to date"));
    }, undefined, { timeout: PATIENCE_MILLISECONDS });
    await app.evaluate(({ dialog }: { dialog: Dialog }, filePath: string) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
    }, file);
    await click(page, /^Export…?$/);
    await click(page, /^Choose a place and export$/);
    await untilSaid(page, /The file is ready/);

    const streams = probeStreams(file);
    expect(streams.map(({ codec_name }) => codec_name)).toEqual(["h264", "aac"]);
    const pictures = decodePictures(file);
    expect(Math.abs(pictures.length / FRAMES_PER_SECOND - wavSeconds(join(repositoryRoot, "resources", "examples", "ben", "voice.wav")))).toBeLessThanOrEqual(1 / FRAMES_PER_SECOND);
    const [first, middle] = [pictures[0], pictures[Math.floor(pictures.length / 2)]];
    expect(first !== undefined && middle !== undefined && difference(first, middle) > 0.2).toBe(true);
  });

  test("it quits without a rest", async () => {
    await theRunning().quit();
    running = null;
    expect(serverLocks()).toEqual([]);
  });

  test("moved to another folder, a double-click on the project opens it, with its clips and its engine", async () => {
    const moved = { ...installed, folder: join(place, "moved 移动") };
    writable(installed.folder);
    renameSync(installed.folder, moved.folder);
    readOnly(moved.folder);
    installed = moved;
    const [project = ""] = readdirSync(join(data(), "projects"));
    running = await startProgram(installed, [join(data(), "projects", project, "project.avatar")]);
    console.log(`Second start: window after ${(running.openedAfter / 1000).toFixed(1)} s`);
    const { page } = running;
    await page.waitForFunction(() => location.hash.startsWith("#/studio/") && [...document.querySelectorAll("[role=option]")].some((clip) => clip.textContent.endsWith("up to date")));
    await page.evaluate(() => {
      location.hash = "#/setup";
    });
    await untilSaid(page, ENGINE_READY);
    await page.evaluate(() => {
      location.hash = "#/settings";
    });
    await click(page, /^Licences$/);
    await untilSaid(page, /parts made by others, and their licences[^]+GNU GENERAL PUBLIC LICENSE/);
    await running.quit();
    running = null;
    expect(serverLocks()).toEqual([]);
  });

  test("the uninstaller leaves what is to be kept, then nothing", () => {
    const uninstall = (...args: string[]): void => {
      const { status, stderr } = spawnSync("sh", [uninstaller, "--yes", ...args], { encoding: "utf8", env: { PATH: process.env.PATH, HOME: installed.home, LANG: "C.UTF-8" } });
      expect(stderr).toBe("");
      expect(status).toBe(0);
    };
    const uninstaller = join(place, "uninstall.sh");
    const projects = fileTree(join(data(), "projects"));
    cpSync(join(installed.folder, "resources", "uninstall.sh"), uninstaller);
    spawnSync("sh", [join(installed.folder, "resources", "uninstall.sh"), "--yes"], { env: { PATH: process.env.PATH, HOME: installed.home, LANG: "C.UTF-8" } });
    expect(existsSync(installed.folder)).toBe(false);
    expect(fileTree(join(data(), "projects"))).toEqual(projects);
    expect(readdirSync(data()).filter((name) => ["runtimes", "cache", "logs", "uploads", "downloads"].includes(name))).toEqual([]);
    expect(existsSync(join(installed.home, ".config", "avatar-studio"))).toBe(false);
    uninstall("--remove-models", "--remove-projects");
    expect(fileTree(installed.home).filter((name) => !OF_THE_SYSTEM.test(name))).toEqual([]);
  });
});

function theRunning(): RunningProgram {
  if (running === null) throw new Error("The program does not run: an earlier part of the story failed.");
  return running;
}

/** Length that a WAV file's own header tells. */
function wavSeconds(path: string): number {
  const bytes = readFileSync(path);
  return (bytes.length - 44) / bytes.readUInt32LE(28);
}
