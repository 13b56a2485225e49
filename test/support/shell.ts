import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ElectronApplication, type Page, _electron } from "playwright-core";
import { ensureBuilt } from "../../build/ensure-built.mjs";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { findTestElectron } from "../../build/setup/test-electron.mjs";
import { unpackedEnvironment } from "../../build/setup/unpacked-packages.mjs";
import { type RunningProcess, killIfThere, processesMarked, runningProcesses } from "./processes.ts";
import { type VirtualScreen, openVirtualScreen } from "./virtual-screen.ts";

const MARK = "AVATAR_STUDIO_TEST_SHELL";

export interface ShellOptions {
  /** How the stand-in server behaves; without it the real server runs. */
  readonly standIn?: "idle" | "busy" | "fails" | "dies";
  readonly arguments?: readonly string[];
  /** Reuse the home folder of an earlier start. */
  readonly home?: string;
}

type Exit = number | NodeJS.Signals | null;

/** The desktop program, in a window of a virtual screen, with a home folder of its own. */
export interface RunningShell {
  readonly app: ElectronApplication;
  readonly home: string;
  readonly page: () => Promise<Page>;
  /** Starts the program once more, as a double-click would; resolves with its exit code or the signal that ended it. */
  readonly startAgain: (args: readonly string[]) => Promise<Exit>;
  /** Resolves when the program has ended, with its exit code or the signal that ended it. */
  readonly ended: Promise<Exit>;
  /** Everything the program started that still runs. */
  readonly family: () => RunningProcess[];
  readonly output: () => string;
  readonly clean: () => Promise<void>;
}

/** Start the shell. Rejects when no Electron is there. */
export async function startShell(options: ShellOptions = {}): Promise<RunningShell> {
  const electron = findTestElectron();
  if (electron === null) throw new Error("No Electron for the tests is there: `npm test` installs it.");
  const suffix = electron.variant === "current" ? "" : "-electron-9";
  await ensureBuilt([`shell${suffix}`, ...(options.standIn === undefined ? ([`renderer${suffix}`, "server"] as const) : [])]);
  const home = options.home ?? mkdtempSync(join(tmpdir(), "avatar-studio-home-"));
  const main = join(options.standIn === undefined ? join(repositoryRoot, "dist") : withStandIn(home, suffix), `shell${suffix}`, "main.cjs");
  const screen: VirtualScreen = await openVirtualScreen();
  const mark = randomUUID();
  const environment = {
    ...definedVariables(process.env),
    ...unpackedEnvironment(),
    DISPLAY: screen.display,
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_DATA_HOME: join(home, "data"),
    XDG_CACHE_HOME: join(home, "cache"),
    // Nobody answers on a bus here, and Chromium would wait for it.
    DBUS_SESSION_BUS_ADDRESS: "disabled:",
    OMP_NUM_THREADS: "1",
    AVATAR_STUDIO_TEST_NODE: process.execPath,
    STAND_IN: options.standIn ?? "",
    [MARK]: mark,
  };
  // Tests also run as root, for whom Chromium has no sandbox.
  const args = ["--no-sandbox", main, ...(options.arguments ?? [])];
  const app = await _electron.launch({ executablePath: electron.program, args, env: environment });
  const child = app.process();
  const text: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (part: string) => text.push(part));
  const ended = exitOf(child);
  // Chromium overwrites its own environment, but stays in the group it was started in; the server's workers do the reverse.
  const family = (): RunningProcess[] => [...runningProcesses().filter(({ group }) => group === child.pid), ...processesMarked(MARK, mark).filter(({ group }) => group !== child.pid)];

  return {
    app,
    home,
    ended,
    family,
    output: () => text.join(""),
    page: async () => {
      const page = await app.firstWindow();
      await page.waitForFunction(() => document.readyState === "complete" && location.protocol.startsWith("http"));
      return page;
    },
    startAgain: async (more) => exitOf(spawn(electron.program, ["--no-sandbox", main, ...more], { env: environment, stdio: "ignore" })),
    clean: async () => {
      for (const { pid } of family()) killIfThere(pid);
      await ended;
      await screen.close();
      if (options.home === undefined) rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The built shell beside a stand-in for the server. */
function withStandIn(home: string, suffix: string): string {
  const dist = join(home, "dist");
  mkdirSync(join(dist, "server"), { recursive: true });
  cpSync(join(repositoryRoot, "dist", `shell${suffix}`), join(dist, `shell${suffix}`), { recursive: true });
  copyFileSync(join(repositoryRoot, "test", "support", "stand-in-server.mjs"), join(dist, "server", "main.js"));
  writeFileSync(join(dist, "server", "package.json"), JSON.stringify({ type: "module" }));
  return dist;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? child.signalCode;
}

function definedVariables(variables: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
