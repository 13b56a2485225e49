import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { systemErrorCode } from "./fault-error.ts";

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Exact only for comparison: its form differs by platform. */
  readonly startTime: string;
}

const ASK_MILLISECONDS = 10_000;
const run = promisify(execFile);

/** The identity of a running process; null when there is none with this number (or it has ended and only waits to be reaped). Throws when the system does not tell. */
export async function identityOf(pid: number): Promise<ProcessIdentity | null> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  const startTime = await startTimeOf(pid);
  return startTime === null ? null : { pid, startTime };
}

/** Whether exactly this process still runs. Throws when the system does not tell: then nothing is proven. */
export async function isStillRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.startTime === identity.startTime;
}

/** Reads an identity from a stored value; null when it is none. */
export function parseProcessIdentity(value: unknown): ProcessIdentity | null {
  if (typeof value !== "object" || value === null || !("pid" in value) || !("startTime" in value)) return null;
  const { pid, startTime } = value;
  return typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 && typeof startTime === "string" && startTime !== "" ? { pid, startTime } : null;
}

function startTimeOf(pid: number): Promise<string | null> {
  if (process.platform === "linux") return linuxStartTime(pid);
  return process.platform === "win32" ? windowsStartTime(pid) : psStartTime(pid);
}

/** Ticks since boot, with the boot's own id: ticks alone repeat after a restart of the machine. */
async function linuxStartTime(pid: number): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemErrorCode(error) ?? "")) return null;
    throw error;
  }
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const ticks = fields[19];
  if (ticks === undefined) throw new Error("The process table has an unknown form.");
  if (state === "Z" || state === "X") return null;
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
  return `${boot}/${ticks}`;
}

async function psStartTime(pid: number): Promise<string | null> {
  try {
    const { stdout } = await run("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { timeout: ASK_MILLISECONDS, env: { ...process.env, LC_ALL: "C", TZ: "UTC" } });
    const [state, ...start] = stdout.trim().split(/\s+/);
    return state === undefined || state.startsWith("Z") || start.length === 0 ? null : start.join(" ");
  } catch (error) {
    // `ps` ends with 1 and says nothing when there is no such process.
    if (error instanceof Error && "code" in error && error.code === 1) return null;
    throw error;
  }
}

async function windowsStartTime(pid: number): Promise<string | null> {
  const script = `$p = Get-Process -Id ${String(pid)} -ErrorAction SilentlyContinue; if ($p) { $p.StartTime.ToFileTimeUtc() }`;
  const { stdout } = await run("powershell.exe", ["-NoProfile", "-NonInteractive", "-Command", script], { timeout: ASK_MILLISECONDS, windowsHide: true });
  const text = stdout.trim();
  return text === "" ? null : text;
}
