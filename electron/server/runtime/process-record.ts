import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { systemErrorCode } from "../common/fault-error.ts";
import { isStillRunning, parseProcessIdentity, type ProcessIdentity } from "../common/process-identity.ts";

/** A worker whose server is gone sees the end of its input and stops within one block; only then is it pushed. */
const POLITE_MILLISECONDS = 5_000;
const FIRM_MILLISECONDS = 5_000;
const LOOK_MILLISECONDS = 100;

/** Remember a process we started, so that the next run of the program can tell whether it still lives. */
export async function recordProcess(path: string, identity: ProcessIdentity): Promise<void> {
  await writeJsonAtomically(path, identity);
}

export async function forgetProcess(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * End the recorded process if it is provably the one we started: same number, same start time. Anything else is left alone.
 * Resolves when it is gone, with whether there was one.
 */
export async function endOrphan(path: string, patience = { politeMilliseconds: POLITE_MILLISECONDS, firmMilliseconds: FIRM_MILLISECONDS }): Promise<boolean> {
  const identity = await readRecord(path);
  if (identity === null || !(await isStillRunning(identity))) {
    await forgetProcess(path);
    return false;
  }
  if (!(await isGoneWithin(identity, patience.politeMilliseconds))) {
    await signalGroup(identity, "SIGTERM");
    if (!(await isGoneWithin(identity, patience.firmMilliseconds))) {
      await signalGroup(identity, "SIGKILL");
      await isGoneWithin(identity, patience.firmMilliseconds);
    }
  }
  await forgetProcess(path);
  return true;
}

async function readRecord(path: string): Promise<ProcessIdentity | null> {
  try {
    return parseProcessIdentity(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return null;
  }
}

async function isGoneWithin(identity: ProcessIdentity, milliseconds: number): Promise<boolean> {
  for (let waited = 0; ; waited += LOOK_MILLISECONDS) {
    if (!(await isStillRunning(identity))) return true;
    if (waited >= milliseconds) return false;
    await delay(LOOK_MILLISECONDS);
  }
}

/** Looks once more right before: the number could have been given to another process. */
async function signalGroup(identity: ProcessIdentity, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!(await isStillRunning(identity))) return;
  try {
    process.kill(process.platform === "win32" ? identity.pid : -identity.pid, signal);
  } catch (error) {
    if (systemErrorCode(error) !== "ESRCH") throw error;
  }
}
