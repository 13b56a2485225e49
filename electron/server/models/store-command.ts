import { createInterface } from "node:readline";
import { z } from "zod";
import type { Fault } from "../../contract/fault.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { cleanEnvironment, startProgram } from "../common/child-process.ts";
import { FaultError } from "../common/fault-error.ts";
import { say } from "../common/say.ts";

/** Downloads, imports and removals are done by the engine's `live-avatar models`; here it is started and listened to. */

const lineSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("progress"), act: z.enum(["download", "copy", "check"]), path: z.string(), done_bytes: z.number(), total_bytes: z.number(), bytes_per_second: z.number().nullable() }),
  z.object({ kind: z.literal("waiting"), seconds: z.number(), why: z.string() }),
  z.object({ kind: z.literal("note"), code: z.string(), path: z.string(), text: z.string() }),
  z.object({ kind: z.literal("done"), bytes: z.number() }),
  z.object({ kind: z.literal("removed"), freed_bytes: z.number(), kept_files: z.array(z.string()) }),
  z.object({ kind: z.literal("error"), code: z.string(), what: z.string(), why: z.string(), hint: z.string(), field: z.string().nullable() }),
]);
type Line = z.infer<typeof lineSchema>;

export interface TransferReport {
  readonly doing: Said;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number | null;
  /** The last thing to know about a file. */
  readonly note: Said | null;
}

export interface StoreProgram {
  /** The runtime's interpreter; throws when there is none. */
  readonly python: () => Promise<string>;
  /** Folder for what the libraries want to keep. */
  readonly cacheFolder: string;
}

/** It has a second or two to write down what it has. */
const STOP = { politeMilliseconds: 8_000, firmMilliseconds: 4_000 } as const;
const MOST_LAST_WORDS = 2_000;

/**
 * Runs one command to its end. Throws what the command refused with, MODEL_TRANSFER_ENDED when it ended without a word, what `python` throws, or the signal's
 * reason; what was brought until then is kept.
 */
export async function runStoreCommand(program: StoreProgram, args: readonly string[], environment: Readonly<Record<string, string>>, signal: AbortSignal, onReport: (report: TransferReport) => void): Promise<Line> {
  const command = await program.python();
  signal.throwIfAborted();
  const running = await startProgram({
    command,
    args: ["-I", "-X", "utf8", "-m", "live_avatar", "models", ...args, "--json"],
    env: { ...cleanEnvironment(process.env, { OMP_NUM_THREADS: "1", HF_HOME: program.cacheFolder }), ...environment },
  });
  const stop = (): void => void running.stop(STOP);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let lastWords = "";
  running.stderr.setEncoding("utf8").on("data", (text: string) => (lastWords = (lastWords + text).slice(-MOST_LAST_WORDS)));
  let report: TransferReport = { doing: say("MODEL_TRANSFER_BEGINS", "Asking which files are needed"), doneBytes: 0, totalBytes: 0, bytesPerSecond: null, note: null };
  let end: Line | null = null;
  onReport(report);
  try {
    for await (const text of createInterface({ input: running.stdout })) {
      const line = read(text);
      if (line === null) continue;
      if (line.kind === "done" || line.kind === "removed" || line.kind === "error") end = line;
      else onReport((report = reportAfter(report, line)));
    }
    await running.ended;
  } finally {
    signal.removeEventListener("abort", stop);
    await running.stop(STOP);
  }
  if (end?.kind !== "done" && end?.kind !== "removed") signal.throwIfAborted();
  if (end === null) throw ended(lastWords);
  if (end.kind === "error") throw new FaultError(end);
  return end;
}

function reportAfter(before: TransferReport, line: Extract<Line, { kind: "progress" | "waiting" | "note" }>): TransferReport {
  switch (line.kind) {
    case "progress":
      // Reading a file again is told with its own sizes only while nothing is on its way.
      return { ...before, doing: doingOf(line.act, line.path), doneBytes: line.done_bytes, totalBytes: line.total_bytes, bytesPerSecond: line.act === "check" ? null : line.bytes_per_second };
    case "waiting":
      return { ...before, doing: say("MODEL_SERVER_WAIT", "Waiting for the server, {seconds} s", { seconds: Math.ceil(line.seconds) }), bytesPerSecond: null };
    case "note":
      return { ...before, note: noteOf(line.code, line.path, line.text) };
  }
}

function doingOf(act: "download" | "copy" | "check", file: string): Said {
  switch (act) {
    case "download":
      return say("MODEL_FILE_FETCHING", "Fetching {file}", { file });
    case "copy":
      return say("MODEL_FILE_COPYING", "Copying {file}", { file });
    case "check":
      return say("MODEL_FILE_CHECKING", "Checking {file}", { file });
  }
}

function noteOf(code: string, file: string, text: string): Said {
  if (code === "MODEL_FILE_DAMAGED") return say("MODEL_FILE_MENDING", "{file} was damaged and is brought again.", { file });
  if (code === "MODEL_FILE_CHANGED_ON_HUB") return say("MODEL_FILE_CHANGED_ON_HUB", "{file} was changed on the server and is fetched from the beginning.", { file });
  return { code, values: { file }, text };
}

function read(text: string): Line | null {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function ended(lastWords: string): FaultError & { readonly fault: Fault } {
  const words = lastWords.trim().split("\n").at(-1) ?? "";
  return new FaultError({ code: "MODEL_TRANSFER_ENDED", what: "The transfer of the model ended by itself.", why: words === "" ? "Its program was ended from outside." : `Its last words: ${words}`, hint: "Go on; what was brought is kept." });
}
