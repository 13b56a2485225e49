import { type Cue, withoutEmptyLines } from "./cues.ts";

/** What is wrong with a captions file. `line` counts from 1. */
export type CaptionsProblem =
  | { readonly kind: "noCaptions" }
  /** There should be times such as `00:00:01,000 --> 00:00:04,000`. */
  | { readonly kind: "noTimes"; readonly line: number; readonly found: string }
  /** A caption ends when it begins, or before. */
  | { readonly kind: "endsBeforeStart"; readonly line: number }
  | { readonly kind: "noEmptyLineBefore"; readonly line: number };

export type ParsedCaptions = { readonly ok: true; readonly cues: readonly Cue[] } | { readonly ok: false; readonly problem: CaptionsProblem };

interface Block {
  /** Of its first line. */
  readonly line: number;
  readonly lines: readonly string[];
}

/** `1:02:03,004` of SubRip, `02:03.004` of WebVTT; what follows the second time says where on the picture, and is left aside. */
const TIMES = /^\s*(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d)[,.](\d{3})[ \t]+-->[ \t]+(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d)[,.](\d{3})(?:[ \t].*)?$/;
const WEBVTT_START = /^WEBVTT(?:\s|$)/;
/** Blocks of WebVTT that hold no caption. */
const WEBVTT_ASIDE = /^(?:NOTE|STYLE|REGION)(?:[ \t]|$)/;

/** Whether a text looks like captions: enough to say what is wrong with them instead of "unknown file". */
export function looksLikeCaptions(text: string): boolean {
  return WEBVTT_START.test(text) || /^[^\n]*\d:\d\d[,.]\d+[ \t]*-->/m.test(text);
}

/** Reads SubRip or WebVTT, whichever it is. A block that is no caption is a fault: a caption must not get lost without a word. */
export function parseCaptions(text: string): ParsedCaptions {
  const blocks = blocksOf(text.replaceAll(/\r\n?/g, "\n"));
  const web = WEBVTT_START.test(blocks[0]?.lines[0] ?? "");
  const cues: Cue[] = [];
  for (const block of web ? blocks.slice(1) : blocks) {
    if (web && WEBVTT_ASIDE.test(block.lines[0] ?? "")) continue;
    const cue = cueOf(block, web);
    if ("kind" in cue) return { ok: false, problem: cue };
    if (cue.text !== "") cues.push(cue);
  }
  return cues.length === 0 ? { ok: false, problem: { kind: "noCaptions" } } : { ok: true, cues };
}

/** Lines that follow each other, with empty ones between the blocks. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  const all = text.split("\n");
  all.forEach((line, index) => {
    if (line.trim() !== "") lines.push(line);
    if ((line.trim() === "" || index === all.length - 1) && lines.length > 0) {
      const ended = line.trim() === "" ? index : index + 1;
      blocks.push({ line: ended - lines.length + 1, lines });
      lines = [];
    }
  });
  return blocks;
}

function cueOf({ line, lines }: Block, web: boolean): Cue | CaptionsProblem {
  // A number or a name may come first.
  const at = TIMES.test(lines[0] ?? "") ? 0 : 1;
  const times = TIMES.exec(lines[at] ?? "");
  if (times === null) return { kind: "noTimes", line: line + Math.min(at, lines.length - 1), found: lines[at] ?? lines[0] ?? "" };
  const payload = lines.slice(at + 1);
  const next = payload.findIndex((one) => TIMES.test(one));
  if (next >= 0) return { kind: "noEmptyLineBefore", line: line + at + 1 + next };
  const [start, end] = [milliseconds(times.slice(1, 5)), milliseconds(times.slice(5, 9))];
  if (end <= start) return { kind: "endsBeforeStart", line: line + at };
  const text = payload.join("\n");
  return { start, end, text: withoutEmptyLines(web ? plainOfWebVtt(text) : plainOfSubRip(text)) };
}

function milliseconds([hours = "0", minutes = "0", seconds = "0", thousandths = "0"]: readonly (string | undefined)[]): number {
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(thousandths);
}

/** Fonts and places, which SubRip has from other formats, are left out. */
function plainOfSubRip(text: string): string {
  return withoutControls(text).replaceAll(/\{\\[^}\n]*\}|<\/?font\b[^>\n]*>/gi, "").replaceAll(/<(\/?)([biu])>/gi, (_, slash: string, name: string) => `<${slash}${name.toLowerCase()}>`);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", nbsp: "\u00a0", lrm: "\u200e", rlm: "\u200f" };

/** Voices, classes, languages and karaoke times are left out; entities become what they stand for. */
function plainOfWebVtt(text: string): string {
  return withoutControls(text)
    .replaceAll(/<(\/?)([^>]*)>/g, (_, slash: string, inside: string) => (/^[biu](?:[.\s]|$)/.test(inside) ? `<${slash}${inside.charAt(0)}>` : ""))
    .replaceAll(/&(amp|lt|gt|nbsp|lrm|rlm);/g, (entity: string, name: string) => ENTITIES[name] ?? entity);
}

const withoutControls = (text: string): string => text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
