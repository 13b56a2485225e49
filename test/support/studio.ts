import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ServerStart } from "../../electron/contract/shell-messages.schema.ts";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { type RunningProcess, killIfThere, processesMarked } from "./processes.ts";

const MARK = "AVATAR_STUDIO_TEST_RUN";
/** How long the server may take for its clean end before the test fails. */
const STOP_MILLISECONDS = 20_000;

export interface StudioOptions {
  /** Reuse the folder of an earlier studio; without it a new one is made, and removed at the end. */
  readonly dataFolder?: string;
  /** Further arguments of the server. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A running studio server of its own, with its own data folder and the demo model. */
export interface Studio {
  /** Page with its one-time token. It works once; see {@link Studio.newLink}. */
  readonly link: string;
  /** Such as `http://127.0.0.1:41234`. */
  readonly origin: string;
  readonly dataFolder: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything the server has written to stdout and stderr so far. */
  readonly output: () => string;
  /** A link with a new token. */
  readonly newLink: () => Promise<string>;
  /** The server, its workers and whatever they started, as far as they run. */
  readonly family: () => RunningProcess[];
  /** Ends it cleanly; fails when it does not end, or leaves a process behind. */
  readonly stop: () => Promise<void>;
  /** `kill -9` for the server alone; resolves when it is gone. The data folder stays until {@link Studio.clean}. */
  readonly kill: () => Promise<void>;
  /** Ends whatever still runs, and removes the data folder if this studio made it. */
  readonly clean: () => Promise<void>;
}

/** Start the built server (`dist/server`) on a free port. Rejects with the server's own words when it does not start. */
export async function startStudio(options: StudioOptions = {}): Promise<Studio> {
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), "avatar-studio-data-"));
  const mark = randomUUID();
  const child = spawn(
    process.execPath,
    [join(repositoryRoot, "dist", "server", "main.js"), "--ready-json", "--server-port", "0", "--data-dir", dataFolder, ...(options.arguments ?? [])],
    {
      cwd: dataFolder,
      // One thread a process: the tests share two cores.
      env: { ...process.env, OMP_NUM_THREADS: "1", ...options.environment, [MARK]: mark },
      stdio: ["pipe", "pipe", "pipe", "ipc"],
    },
  );
  const exited = once(child, "exit");
  // Nobody has to be waiting when it ends.
  exited.catch(() => undefined);
  const lines: string[] = [];
  const output = (): string => lines.join("\n");
  const family = (): RunningProcess[] => processesMarked(MARK, mark);

  const clean = async (): Promise<void> => {
    for (const { pid } of family()) killIfThere(pid);
    if (child.exitCode === null && child.signalCode === null) await exited;
    if (options.dataFolder === undefined) rmSync(dataFolder, { recursive: true, force: true });
  };

  const start = await readStart(child, lines).catch(async (error: unknown) => {
    await clean();
    throw error;
  });
  if (start.ready !== true) {
    await clean();
    throw new Error(`The server did not start: ${start.error.code} ${start.error.what} ${start.error.why}`);
  }

  let requestId = 0;
  const newLink = async (): Promise<string> => {
    const id = ++requestId;
    return new Promise((resolve, reject) => {
      const listen = (message: unknown): void => {
        const answer = message as { kind?: string; requestId?: number; url?: string };
        if (answer.requestId !== id) return;
        child.off("message", listen);
        if (answer.kind === "new-token" && answer.url !== undefined) resolve(answer.url);
        else reject(new Error(`No new link: ${JSON.stringify(answer)}`));
      };
      child.on("message", listen);
      child.send({ kind: "new-token", requestId: id });
    });
  };

  const stop = async (): Promise<void> => {
    if (child.connected) child.send({ kind: "shutdown" });
    const deadline = AbortSignal.timeout(STOP_MILLISECONDS);
    const late = once(deadline, "abort").then(() => "late" as const);
    const outcome = child.exitCode !== null || child.signalCode !== null ? "ended" : await Promise.race([exited.then(() => "ended" as const), late]);
    const left = family();
    const words = output();
    await clean();
    if (outcome === "late") throw new Error(`The server did not stop within ${String(STOP_MILLISECONDS / 1000)} s.\n${words}`);
    if (left.length > 0) throw new Error(`The server left processes behind: ${left.map(({ command }) => command.join(" ")).join("; ")}`);
  };

  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await exited;
  };

  return { link: start.url, origin: new URL(start.url).origin, dataFolder, pid: child.pid ?? 0, child, output, newLink, family, stop, kill, clean };
}

async function readStart(child: ChildProcess, lines: string[]): Promise<ServerStart> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null || child.stderr === null) throw new Error("The server has no output.");
    createInterface({ input: child.stderr }).on("line", (line) => lines.push(line));
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const start = parseStart(line);
      if (start !== null) resolve(start);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`The server ended before it was ready (${String(code ?? signal)}).\n${lines.join("\n")}`)));
  });
}

function parseStart(line: string): ServerStart | null {
  try {
    const value = JSON.parse(line) as { ready?: boolean; error?: unknown };
    return value.ready === true || value.error !== undefined ? (value as ServerStart) : null;
  } catch {
    return null;
  }
}
