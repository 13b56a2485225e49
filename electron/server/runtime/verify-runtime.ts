import { z } from "zod";
import { cleanEnvironment, runProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";
import type { Runtime } from "./find-runtime.ts";

export const runtimeFactsSchema = z.object({
  python: z.string(),
  engine: z.string(),
  /** Versions of the packages that the engine cannot do without; null for one that is missing. */
  packages: z.record(z.string(), z.string().nullable()),
});
export type RuntimeFacts = z.infer<typeof runtimeFactsSchema>;

/** Reads names and versions only: importing torch would take seconds. */
const QUESTION = `
import importlib.metadata, json, platform
from live_avatar import __version__

def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

names = ("torch", "transformers", "safetensors", "numpy", "av", "filelock", "psutil")
print(json.dumps({"python": platform.python_version(), "engine": __version__, "packages": {name: version(name) for name in names}}))
`;
const PATIENCE_MILLISECONDS = 60_000;

/**
 * Ask the runtime what is in it. Takes about a tenth of a second.
 * @throws FaultError RUNTIME_DAMAGED, RUNTIME_INCOMPLETE, PROGRAM_NOT_STARTED, PROGRAM_TOO_SLOW
 */
export async function verifyRuntime(runtime: Runtime): Promise<RuntimeFacts> {
  const program = { command: runtime.python, args: ["-I", "-X", "utf8", "-c", QUESTION], env: cleanEnvironment(process.env) };
  const output = await runProgram(program, { timeoutMilliseconds: PATIENCE_MILLISECONDS });
  if (output.code !== 0) throw damaged(lastLine(output.stderr) ?? `Python ended with status ${String(output.code ?? output.signal)}.`);
  const facts = readFacts(output.stdout.toString("utf8"));
  if (facts === null) throw damaged("Its answer cannot be read.");
  const missing = Object.entries(facts.packages).flatMap(([name, version]) => (version === null ? [name] : []));
  if (missing.length > 0) {
    throw new FaultError({ code: "RUNTIME_INCOMPLETE", what: "Parts of the engine's Python are missing.", why: `Not installed: ${missing.join(", ")}.`, hint: "Run `npm run setup` again, or install Avatar Studio again." });
  }
  return facts;
}

function readFacts(text: string): RuntimeFacts | null {
  try {
    return runtimeFactsSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function damaged(why: string): FaultError {
  return new FaultError({ code: "RUNTIME_DAMAGED", what: "The engine's Python does not work.", why, hint: "Run `npm run setup` again, or install Avatar Studio again." });
}

function lastLine(text: string): string | null {
  return text.trim().split("\n").at(-1) ?? null;
}
