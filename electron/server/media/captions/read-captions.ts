import { readFile, stat } from "node:fs/promises";
import { assertNever } from "../../../contract/assert-never.ts";
import { FaultError } from "../../common/fault-error.ts";
import type { Cue } from "./cues.ts";
import { type CaptionsProblem, looksLikeCaptions, parseCaptions } from "./parse-captions.ts";

/** A day of dense captions has some two megabytes. */
const MOST_BYTES = 10_000_000;
const MOST_CUES = 50_000;

/**
 * Captions from a SubRip or WebVTT file, in the file's order.
 * Throws CAPTIONS_ENCODING, CAPTIONS_UNREADABLE, CAPTIONS_EMPTY, CAPTIONS_TOO_LARGE, or the system's error.
 */
export async function readCaptions(path: string, name: string): Promise<readonly Cue[]> {
  if ((await stat(path)).size > MOST_BYTES) throw tooLarge(name, `It has more than ${String(MOST_BYTES / 1_000_000)} MB.`);
  const text = decode(await readFile(path));
  if (text === null) {
    throw captionsFault("CAPTIONS_ENCODING", `The captions "${name}" cannot be read.`, "Their letters are neither UTF-8 nor UTF-16, and a guess could show wrong ones.", "Open the file in a text editor, save it as UTF-8, and add it again.");
  }
  const parsed = parseCaptions(text);
  if (!parsed.ok) throw problemFault(parsed.problem, name);
  if (parsed.cues.length > MOST_CUES) throw tooLarge(name, `They have ${String(parsed.cues.length)} captions; ${String(MOST_CUES)} can be used.`);
  return parsed.cues;
}

/** Whether the beginning of a file, or failing that its name, says that it is meant as captions. */
export function isMeantAsCaptions(start: Buffer, name: string): boolean {
  return /\.(srt|vtt)$/i.test(name) || looksLikeCaptions(decode(start, false) ?? "");
}

/** By its byte order mark, else UTF-8; null when it is neither. */
function decode(bytes: Buffer, fatal = true): string | null {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal }).decode(bytes);
  } catch {
    return null;
  }
}

function problemFault(problem: CaptionsProblem, name: string): FaultError {
  const what = `The captions "${name}" cannot be read.`;
  const hint = "Correct this line in a text editor, or save the captions again as SRT or WebVTT in the program that made them.";
  switch (problem.kind) {
    case "noCaptions":
      return captionsFault("CAPTIONS_EMPTY", `There are no captions in "${name}".`, "The file has no caption with words in it.", "Choose another file.");
    case "noTimes":
      return captionsFault("CAPTIONS_UNREADABLE", what, `Line ${String(problem.line)} should hold times such as 00:00:01,000 --> 00:00:04,000, and holds "${shortened(problem.found)}".`, hint);
    case "endsBeforeStart":
      return captionsFault("CAPTIONS_UNREADABLE", what, `The caption in line ${String(problem.line)} does not end after its beginning.`, hint);
    case "noEmptyLineBefore":
      return captionsFault("CAPTIONS_UNREADABLE", what, `The times in line ${String(problem.line)} follow the caption before them without an empty line.`, hint);
    default:
      return assertNever(problem);
  }
}

const MOST_SHOWN = 40;
const shortened = (line: string): string => (line.length > MOST_SHOWN ? `${line.trim().slice(0, MOST_SHOWN)}…` : line.trim());
const tooLarge = (name: string, why: string): FaultError => captionsFault("CAPTIONS_TOO_LARGE", `The captions "${name}" are too long.`, why, "Choose the file with the captions of this video only.");
const captionsFault = (code: string, what: string, why: string, hint: string): FaultError => new FaultError({ code, what, why, hint, field: "source" });
