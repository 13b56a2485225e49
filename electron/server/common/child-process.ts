import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { FaultError, systemErrorCode } from "./fault-error.ts";
import { type ProcessIdentity, identityOf } from "./process-identity.ts";

/** Variables that would make a bundled interpreter or program pick up the user's own installation. */
const FOREIGN = /^(PYTHON|CONDA|VIRTUAL_ENV|PIP_|NODE_|NPM_|npm_|ELECTRON_|_CE_|LD_PRELOAD|DYLD_INSERT)/;
/** Our own secrets and switches, which no child needs. */
const OURS = /^AVATAR_STUDIO_(PASSWORD|TOKEN)/;

/** The environment for a child: without what would change its interpreter, and without our secrets. */
export function cleanEnvironment(environment: NodeJS.ProcessEnv, more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !FOREIGN.test(name) && !OURS.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Complete; see {@link cleanEnvironment}. */
  readonly env: NodeJS.ProcessEnv;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program in its own process group, with pipes on all three streams. */
export interface RunningProgram {
  readonly pid: number;
  readonly stdin: NonNullable<ChildProcess["stdin"]>;
  readonly stdout: NonNullable<ChildProcess["stdout"]>;
  readonly stderr: NonNullable<ChildProcess["stderr"]>;
  /** Null when the program ended before it could be asked. A promise: output of a quick program is lost when nobody listens by the time it ends. */
  readonly identity: Promise<ProcessIdentity | null>;
  /** When the program has ended and its streams are read out. Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /**
   * Ends the whole group: closes stdin, waits `politeMilliseconds`, asks (SIGTERM), waits `firmMilliseconds`, kills.
   * Resolves when the group is gone.
   */
  readonly stop: (patience?: { readonly politeMilliseconds?: number; readonly firmMilliseconds?: number }) => Promise<ProgramEnd>;
  /** Signals the whole group at once; false when it is gone. */
  readonly signal: (signal: NodeJS.Signals) => boolean;
}

/** Starts a program. Throws PROGRAM_NOT_STARTED when it cannot be started. */
export async function startProgram(program: Program): Promise<RunningProgram> {
  // A group of its own: a signal reaches also what the program starts, and Ctrl+C in our terminal does not.
  const child = spawn(program.command, [...program.args], { cwd: program.cwd, env: program.env, detached: process.platform !== "win32", stdio: ["pipe", "pipe", "pipe"], windowsHide: true });
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  try {
    await once(child, "spawn");
  } catch (error) {
    throw notStarted(error);
  }
  const { pid } = child;
  if (pid === undefined) throw notStarted(null);
  child.on("error", () => undefined);
  // A program that ends while we write is seen by `ended`; the broken pipe itself says nothing more.
  child.stdin.on("error", () => undefined);
  let hasExited = false;
  child.once("exit", () => (hasExited = true));

  const signal = (name: NodeJS.Signals): boolean => signalGroup(pid, name, hasExited);
  const stop: RunningProgram["stop"] = async ({ politeMilliseconds = 0, firmMilliseconds = 2_000 } = {}) => {
    child.stdin.end();
    if (!(await endsWithin(ended, politeMilliseconds))) {
      signal("SIGTERM");
      if (!(await endsWithin(ended, firmMilliseconds))) signal("SIGKILL");
    }
    // Grandchildren may outlive the leader.
    signal("SIGKILL");
    return ended;
  };
  return { pid, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, identity: identityOf(pid).catch(() => null), ended, stop, signal };
}

export interface ProgramOutput extends ProgramEnd {
  readonly stdout: Buffer;
  /** The last part only. */
  readonly stderr: string;
}

/**
 * Runs a short program to its end, without blocking. Throws PROGRAM_NOT_STARTED, PROGRAM_TOO_SLOW after `timeoutMilliseconds`,
 * PROGRAM_TOO_TALKATIVE above `maximumBytes`, or the signal's reason; the group is killed in these cases. Any exit code is an answer.
 */
export async function runProgram(program: Program, limits: { readonly timeoutMilliseconds: number; readonly maximumBytes?: number; readonly signal?: AbortSignal; readonly input?: string | Uint8Array }): Promise<ProgramOutput> {
  limits.signal?.throwIfAborted();
  const running = await startProgram(program);
  const maximum = limits.maximumBytes ?? 16 * 1024 * 1024;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let stderr = "";
  let failure: unknown = null;
  const giveUp = (reason: unknown): void => {
    failure ??= reason;
    running.signal("SIGKILL");
    // A grandchild that left the group could hold the pipes open for ever.
    running.stdout.destroy();
    running.stderr.destroy();
  };
  running.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maximum) giveUp(new FaultError({ code: "PROGRAM_TOO_TALKATIVE", what: "A helper program was stopped.", why: "It wrote far more than expected.", hint: "Try again. If it happens again, copy the diagnostics." }));
    else chunks.push(chunk);
  });
  running.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-8_192)));
  const timer = setTimeout(() => {
    giveUp(new FaultError({ code: "PROGRAM_TOO_SLOW", what: "A helper program did not answer.", why: `It was given ${String(limits.timeoutMilliseconds / 1000)} seconds.`, hint: "Try again. If it happens again, copy the diagnostics." }));
  }, limits.timeoutMilliseconds);
  const onAbort = (): void => giveUp(limits.signal?.reason);
  limits.signal?.addEventListener("abort", onAbort, { once: true });
  // It may have been aborted while the program was being started.
  if (limits.signal?.aborted === true) onAbort();
  try {
    running.stdin.end(limits.input);
    const end = await running.ended;
    if (failure !== null) throw failure as Error;
    return { ...end, stdout: Buffer.concat(chunks), stderr };
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener("abort", onAbort);
  }
}

async function endsWithin(ended: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const inTime = await Promise.race([ended.then(() => true as const), late]);
  clearTimeout(timer);
  return inTime;
}

function signalGroup(pid: number, signal: NodeJS.Signals, leaderExited: boolean): boolean {
  if (process.platform === "win32") {
    if (leaderExited) return false;
    // Windows knows no groups and no polite signal: the tree is ended. Nobody waits for it, it takes seconds.
    execFile("taskkill", ["/pid", String(pid), "/T", "/F"], { windowsHide: true }, () => undefined);
    return true;
  }
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === "ESRCH" || systemErrorCode(error) === "EPERM") return false;
    throw error;
  }
}

function notStarted(cause: unknown): FaultError {
  const missing = systemErrorCode(cause) === "ENOENT";
  return new FaultError(
    { code: "PROGRAM_NOT_STARTED", what: "A helper program could not be started.", why: missing ? "Its file is not there." : "The system refused to start it.", hint: "Look at the set-up page for what is missing." },
    { cause },
  );
}
