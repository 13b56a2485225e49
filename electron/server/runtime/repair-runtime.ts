import { access } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, startProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";
import type { RuntimePlaces } from "./find-runtime.ts";

/** Lines of the set-up that tell a step. */
const STEP = /^Set-up: (.+)$/;
/** Of its output, for the reason of a failure. */
const MOST_REMEMBERED_LINES = 20;
const STOP = { politeMilliseconds: 0, firmMilliseconds: 5_000 } as const;

/**
 * Puts a checkout's Python runtime in order by its set-up script, which is run again; that of an installed program is the runtime manager's. Takes minutes when
 * packages are fetched; a repair that is cut off is done again at the next start.
 * @throws FaultError REPAIR_NOT_HERE, REPAIR_FAILED, or the signal's reason
 */
export async function repairRuntime(places: RuntimePlaces, onStep: (step: string) => void, signal: AbortSignal): Promise<void> {
  if (places.override !== null || !(await hasSetUp(places))) throw notHere();
  signal.throwIfAborted();
  // In the desktop program this is Electron, which is asked to be plain Node.
  const program = await startProgram({ command: process.execPath, args: [setUpOf(places), "--repair"], env: { ...cleanEnvironment(process.env), ELECTRON_RUN_AS_NODE: "1" } });
  const onAbort = (): void => void program.stop(STOP);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  program.stdin.end();
  const lines: string[] = [];
  const read = async (output: NodeJS.ReadableStream): Promise<void> => {
    for await (const line of createInterface({ input: output })) {
      lines.push(line);
      if (lines.length > MOST_REMEMBERED_LINES) lines.shift();
      const step = STEP.exec(line)?.[1];
      if (step !== undefined) onStep(step);
    }
  };
  try {
    const [end] = await Promise.all([program.ended, read(program.stdout), read(program.stderr)]);
    signal.throwIfAborted();
    if (end.code !== 0) throw failed(lines);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** What the set-up says: `Error: what`, then why and what to do, each on a line. */
function failed(lines: readonly string[]): FaultError {
  const start = lines.findLastIndex((line) => line.startsWith("Error: "));
  const words = (start < 0 ? lines.slice(-1) : lines.slice(start)).map((line) => line.replace(/^Error: /, "").trim()).filter((line) => line !== "");
  return new FaultError({ code: "REPAIR_FAILED", what: "The repair did not succeed.", why: words.length === 0 ? "The set-up ended without a word." : words.join(" "), hint: "Check the network connection and the free disk space, then try again." });
}

function notHere(): FaultError {
  return new FaultError({ code: "REPAIR_NOT_HERE", what: "The program cannot be repaired here.", why: "Its Python environment was not made by the set-up of a checkout.", hint: "Install Avatar Studio again, or correct AVATAR_STUDIO_RUNTIME if it is set." });
}

/** Whether this is a checkout, which makes its runtime itself. */
export async function hasSetUp(places: RuntimePlaces): Promise<boolean> {
  return access(setUpOf(places)).then(
    () => true,
    () => false,
  );
}

const setUpOf = ({ installation }: RuntimePlaces): string => join(installation, "build", "setup", "main.mjs");
