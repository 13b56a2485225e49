import type { Fault } from "../../contract/fault.schema.ts";
import type { Gpu } from "../../contract/machine.schema.ts";
import { cleanEnvironment, type ProgramOutput, runProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";
import { OLD_QUERY_FIELDS, parseGpus, QUERY_FIELDS, type QueryField } from "./nvidia-smi-output.ts";

/** What the driver's own program says about the cards of this machine. */
export type NvidiaAnswer = { readonly kind: "cards"; readonly gpus: readonly Gpu[] } | { readonly kind: "none" } | { readonly kind: "trouble"; readonly fault: Fault };

/** A healthy one answers in a tenth of a second, a sleeping card takes a few. */
const ANSWER_MILLISECONDS = 10_000;

/** Asks nvidia-smi. Never throws, never blocks: a program that hangs is ended. */
export async function askNvidia(options: { readonly command?: string; readonly timeoutMilliseconds?: number } = {}): Promise<NvidiaAnswer> {
  const ask = (fields: readonly QueryField[]): Promise<ProgramOutput> =>
    runProgram(
      { command: options.command ?? "nvidia-smi", args: [`--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits"], env: cleanEnvironment(process.env, { LC_ALL: "C" }) },
      { timeoutMilliseconds: options.timeoutMilliseconds ?? ANSWER_MILLISECONDS, maximumBytes: 1 << 20 },
    );
  try {
    let fields: readonly QueryField[] = QUERY_FIELDS;
    let output = await ask(fields);
    if (/not a valid field/i.test(output.stdout.toString("utf8"))) {
      fields = OLD_QUERY_FIELDS;
      output = await ask(fields);
    }
    return judge(output, fields);
  } catch (error) {
    const code = error instanceof FaultError ? error.fault.code : "";
    // Without the program there is no NVIDIA driver: a normal state.
    if (code === "PROGRAM_NOT_STARTED") return { kind: "none" };
    return { kind: "trouble", fault: code === "PROGRAM_TOO_SLOW" ? SILENT : unclear("it could not be asked") };
  }
}

function judge(output: ProgramOutput, fields: readonly QueryField[]): NvidiaAnswer {
  const text = output.stdout.toString("utf8");
  const gpus = parseGpus(text, fields);
  if (gpus.length > 0) return { kind: "cards", gpus };
  const said = `${text}\n${output.stderr}`;
  if (/no devices were found/i.test(said)) return { kind: "none" };
  if (/version mismatch/i.test(said)) return { kind: "trouble", fault: MISMATCH };
  if (/couldn't communicate with the nvidia driver|driver is not loaded|unable to determine the device handle/i.test(said)) return { kind: "trouble", fault: NOT_LOADED };
  if (/insufficient permissions/i.test(said)) return { kind: "trouble", fault: NOT_PERMITTED };
  if (output.code === 0 && said.trim() === "") return { kind: "none" };
  return { kind: "trouble", fault: unclear(`it ended with ${output.code === null ? (output.signal ?? "no status") : `status ${String(output.code)}`} and named no card`) };
}

const fault = (code: string, why: string, hint: string): Fault => ({ code, what: "The NVIDIA cards of this machine cannot be used now.", why, hint, field: null });
const SILENT = fault("GPU_DRIVER_SILENT", "The driver's program nvidia-smi does not answer. A card may have failed, or the driver hangs.", "Restart the computer. If it happens again, check the card's power and the system's log.");
const MISMATCH = fault("GPU_DRIVER_MISMATCH", "The driver was updated, but the old one is still running.", "Restart the computer.");
const NOT_LOADED = fault("GPU_DRIVER_NOT_LOADED", "The driver's program is there, but the driver itself does not run or lost a card.", "Restart the computer. If that does not help, install the NVIDIA driver again; after an update of the system's kernel it has to be built anew.");
const NOT_PERMITTED = fault("GPU_NOT_PERMITTED", "This user is not allowed to use the cards.", "Ask the machine's administrator for access to the graphics cards.");
const unclear = (why: string): Fault => fault("GPU_DRIVER_TROUBLE", `The driver's program nvidia-smi gave no usable answer: ${why}.`, "Run nvidia-smi in a terminal to see what it says, and restart the computer.");
