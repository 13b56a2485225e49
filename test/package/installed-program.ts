import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type ElectronApplication, type Page, _electron } from "playwright-core";
import { unpackedEnvironment } from "../../build/setup/unpacked-packages.mjs";
import { type RunningProcess, killIfThere, processesMarked, runningProcesses } from "../support/processes.ts";

const MARK = "AVATAR_STUDIO_TEST_PACKAGE";

/** An installed program of one user, on a screen of its own. */
export interface InstalledProgram {
  /** Folder of the program. */
  readonly folder: string;
  readonly home: string;
  readonly display: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface RunningProgram {
  readonly app: ElectronApplication;
  readonly page: Page;
  /** Milliseconds from its start until the page could be used. */
  readonly openedAfter: number;
  readonly family: () => RunningProcess[];
  /** Quits as a user does; resolves when it and everything it started is gone. Its exit code says nothing: the old Electron sometimes faults on its very last step. */
  readonly quit: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

/**
 * What a program finds on a bare machine: no Python, no ffmpeg, nothing of the checkout. Node is there only for the old Electron of the tests,
 * which cannot run the server itself.
 */
function bareEnvironment({ home, display, environment }: InstalledProgram): Record<string, string> {
  const tools = join(home, "..", "tools");
  mkdirSync(tools, { recursive: true });
  try {
    symlinkSync(process.execPath, join(tools, "node"));
  } catch {
    // It is there from an earlier start.
  }
  mkdirSync(home, { recursive: true });
  return { PATH: tools, HOME: home, DISPLAY: display, LANG: "en_GB.UTF-8", DBUS_SESSION_BUS_ADDRESS: "disabled:", ...definedOnly(unpackedEnvironment()), ...environment };
}

function definedOnly(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== "PATH"));
}

const programOf = ({ folder }: InstalledProgram): string => join(folder, "avatar-studio");

/** A double-click. Resolves when the page can be used. */
export async function startProgram(installed: InstalledProgram, args: readonly string[] = []): Promise<RunningProgram> {
  const mark = randomUUID();
  const started = performance.now();
  // Tests also run as root, for whom Chromium has no sandbox.
  const app = await _electron.launch({ executablePath: programOf(installed), args: ["--no-sandbox", ...args], env: { ...bareEnvironment(installed), [MARK]: mark } });
  const child = app.process();
  const family = (): RunningProcess[] => [...runningProcesses().filter(({ group }) => group === child.pid), ...processesMarked(MARK, mark).filter(({ group }) => group !== child.pid)];
  const kill = async (): Promise<void> => {
    for (const { pid } of family()) killIfThere(pid);
    await ended(child);
  };
  try {
    const page = await app.firstWindow();
    await page.waitForFunction(() => document.readyState === "complete" && location.protocol.startsWith("http") && document.querySelectorAll("main button, main a").length > 0);
    const openedAfter = performance.now() - started;
    const quit = async (): Promise<void> => {
      await app.evaluate(({ app: program }) => void setImmediate(() => program.quit()));
      await ended(child);
      for (let left = family(); left.length > 0; left = family()) await Promise.race(left.map(({ pid }) => gone(pid)));
    };
    return { app, page, openedAfter, family, quit, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Starts the program once more beside one that runs; resolves with its exit code. */
export async function startAgain(installed: InstalledProgram): Promise<number | null> {
  return ended(spawn(programOf(installed), ["--no-sandbox"], { env: bareEnvironment(installed), stdio: "ignore" }));
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

/** There is no event for the end of a process that is not a child. */
async function gone(pid: number): Promise<void> {
  while (runningProcesses().some((process) => process.pid === pid)) await new Promise((resolve) => setTimeout(resolve, 100));
}

/**
 * Clicks with the mouse on the first button or link of that name, once it can be clicked and stands still: while a page is being put together, things move.
 * The old Chromium knows no locators.
 */
export async function click(page: Page, name: RegExp): Promise<void> {
  const find = await page.waitForFunction(
    ({ source, flags }) => {
      const pattern = new RegExp(source, flags);
      const all = [...document.querySelectorAll<HTMLElement>("button, a, [role=menuitem]")];
      const found = all.find((element) => pattern.test((element.getAttribute("aria-label") ?? element.innerText).trim()) && !element.hasAttribute("disabled") && element.getClientRects().length > 0);
      if (found === undefined) return null;
      found.scrollIntoView({ block: "center" });
      const { left, top, width, height } = found.getBoundingClientRect();
      const point = { x: left + width / 2, y: top + height / 2 };
      const memory = window as { lastPlace?: string };
      const stands = memory.lastPlace === JSON.stringify(point) && found.contains(document.elementFromPoint(point.x, point.y));
      memory.lastPlace = JSON.stringify(point);
      return stands ? point : null;
    },
    { source: name.source, flags: name.flags },
    { polling: 200, timeout: 120_000 },
  );
  const point = await find.jsonValue();
  if (point !== null) await page.mouse.click(point.x, point.y);
}

/** Waits until the page says something. */
export async function untilSaid(page: Page, text: RegExp, milliseconds = 60_000): Promise<void> {
  await page.waitForFunction(({ source, flags }) => new RegExp(source, flags).test(document.body.innerText), { source: text.source, flags: text.flags }, { timeout: milliseconds });
}
