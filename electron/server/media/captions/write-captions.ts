import type { Cue } from "./cues.ts";

/** SubRip. */
export function asSubRip(cues: readonly Cue[]): string {
  return cues.map((cue, index) => `${String(index + 1)}\n${time(cue.start, ",")} --> ${time(cue.end, ",")}\n${withoutArrows(cue.text)}\n`).join("\n");
}

/** WebVTT. */
export function asWebVtt(cues: readonly Cue[]): string {
  return `WEBVTT\n${cues.map((cue) => `\n${time(cue.start, ".")} --> ${time(cue.end, ".")}\n${escaped(withoutArrows(cue.text))}\n`).join("")}`;
}

/** Readers take any line with the arrow for the times of the next caption. */
const withoutArrows = (text: string): string => text.replaceAll("-->", "→");

/** Signs that WebVTT gives a meaning; the tags that captions may have stay. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll(/<(?!\/?[biu]>)/g, "&lt;").replaceAll(/(?<!<\/?[biu])>/g, "&gt;");
}

function time(milliseconds: number, point: "," | "."): string {
  const part = (unit: number, modulus: number, digits: number): string => String(Math.floor(milliseconds / unit) % modulus).padStart(digits, "0");
  return `${String(Math.floor(milliseconds / 3_600_000)).padStart(2, "0")}:${part(60_000, 60, 2)}:${part(1_000, 60, 2)}${point}${part(1, 1000, 3)}`;
}
