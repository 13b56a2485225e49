import { z } from "zod";
import type { Fault } from "../../contract/fault.schema.ts";
import { cleanEnvironment, runProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";

const problem = z.object({ code: z.string(), what: z.string(), why: z.string(), hint: z.string() });
const inspectionSchema = z.object({
  kind: z.literal("inspect"),
  usable: z.boolean(),
  bytes: z.number(),
  parts: z.array(z.object({ name: z.string(), state: z.string(), missing: z.array(z.string()), problem: problem.nullable(), files: z.array(z.object({ path: z.string(), bytes: z.number() })) })),
});

/** What the engine found in a model folder, from the headers of its files. */
export interface ModelInspection {
  readonly usable: boolean;
  readonly bytes: number;
  /** Paths below the folder, with forward slashes. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Null when the folder has none. */
  readonly loraFile: string | null;
  /** What is missing or damaged. */
  readonly faults: readonly Fault[];
}

/** Headers of a hundred shards on a slow network disk. */
const PATIENCE_MILLISECONDS = 300_000;

/**
 * Has the engine look at a folder. `python` is the runtime's interpreter. Takes about two seconds.
 * Throws MODEL_NOT_INSPECTED, what `python` throws, or the signal's reason.
 */
export async function inspectModel(python: () => Promise<string>, folder: string, signal?: AbortSignal): Promise<ModelInspection> {
  const program = { command: await python(), args: ["-I", "-X", "utf8", "-m", "live_avatar", "inspect", folder, "--json"], env: cleanEnvironment(process.env, { OMP_NUM_THREADS: "1" }) };
  const { stdout } = await runProgram(program, { timeoutMilliseconds: PATIENCE_MILLISECONDS, ...(signal === undefined ? {} : { signal }) });
  return readInspection(stdout.toString("utf8"));
}

/** Reads what `live-avatar inspect --json` prints. Throws MODEL_NOT_INSPECTED. */
export function readInspection(text: string): ModelInspection {
  const found = text.split("\n").map((line) => inspectionSchema.safeParse(json(line)).data).find((one) => one !== undefined);
  if (found === undefined) throw new FaultError(refusal(text) ?? { code: "MODEL_NOT_INSPECTED", what: "The model folder could not be looked at.", why: "The engine gave no usable answer.", hint: "Look at the runtime on the set-up page, then try again." });
  const files = found.parts.flatMap((part) => part.files.map(({ path, bytes }) => ({ path, bytes })));
  const faults = found.parts.flatMap((part): Fault[] => {
    const missing = part.missing.length === 0 ? [] : [{ code: "MODEL_PART_MISSING", what: `A part of the model is missing: ${part.name.replaceAll("_", " ")}.`, why: `Not found: ${part.missing.join("; ")}.`, hint: "Copy or download the folder again, as it was published.", field: null }];
    return part.problem === null ? missing : [...missing, { ...part.problem, field: null }];
  });
  return { usable: found.usable, bytes: found.bytes, files, loraFile: found.parts.find((part) => part.name === "lora" && part.state === "ok")?.files[0]?.path ?? null, faults };
}

/** An error of the command itself, which it prints as JSON too. */
function refusal(text: string): Fault | null {
  for (const line of text.split("\n")) {
    const value = json(line);
    const found = problem.safeParse(typeof value === "object" && value !== null && "error" in value ? value.error : value).data;
    if (found !== undefined) return { ...found, field: null };
  }
  return null;
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
