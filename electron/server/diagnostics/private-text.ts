import { withoutSecrets } from "../common/logger.ts";

/** What must not be in a report: known values, and where it comes from. */
export interface PrivateValues {
  /** Home folder, data folder, project folders: replaced wherever they stand, also within longer paths. */
  readonly folders: readonly string[];
  /** User, computer and project names, names of files. */
  readonly names: readonly string[];
  readonly prompts: readonly string[];
}

export interface PrivacyChoice {
  readonly withPaths: boolean;
  readonly withPrompts: boolean;
}

/** Shorter names would be found inside ordinary words. */
const SHORTEST_NAME = 3;
const SHORTEST_PART = 4;

/**
 * The text without what the user did not agree to send. Known values go first, in every spelling that JSON, URLs and Windows give them; then everything that
 * looks like a path. Better too much is hidden than too little.
 */
export function withoutPrivate(text: string, values: PrivateValues, choice: PrivacyChoice): string {
  let clean = withoutSecrets(text);
  if (!choice.withPrompts) clean = replaceAll(clean, values.prompts.flatMap(linesOf), "<prompt>");
  if (choice.withPaths) return clean;
  clean = replaceAll(clean, values.folders, "<folder>");
  clean = hidePaths(clean);
  return replaceAll(clean, values.names.filter((name) => name.length >= SHORTEST_NAME), "<name>");
}

/** A prompt in a log may be cut into lines, or be only a part. */
function linesOf(prompt: string): string[] {
  const parts = prompt.split(/[\r\n]+|(?<=[.!?。！？；;])\s*/u).map((part) => part.trim());
  return [prompt.trim(), ...parts].filter((part) => part.length >= SHORTEST_PART);
}

/** Longest first, so that no value is cut in two by another; upper and lower case alike. */
function replaceAll(text: string, values: readonly string[], replacement: string): string {
  const spellings = [...new Set(values.filter((value) => value.trim() !== "").flatMap(spellingsOf))].sort((one, other) => other.length - one.length);
  if (spellings.length === 0) return text;
  // One pass over all: what was put in is not searched again.
  return text.replaceAll(new RegExp(spellings.map(escaped).join("|"), "giu"), replacement);
}

function spellingsOf(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const ascii = json.replaceAll(/[\u0080-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return [value, value.normalize("NFC"), value.normalize("NFD"), json, ascii, value.replaceAll("\\", "/"), safeEncode(value), safeEncode(value).replaceAll("%2F", "/")];
}

function safeEncode(value: string): string {
  try {
    return encodeURIComponent(value);
  } catch {
    // Half of a surrogate pair.
    return value;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Absolute paths of any system, in quotation marks or up to the next sign that ends them; what follows a hidden folder goes with it. */
function hidePaths(text: string): string {
  return text
    .replaceAll(/(["'`])(?:file:\/*)?(?:[A-Za-z]:[\\/]|\\\\|~?\/)(?:(?!\1)[^\r\n])*\1/gu, "$1<path>$1")
    .replaceAll(/<folder>(?:[\\/][^\s"'`<>|]*(?: [^\s"'`<>|/\\:]*[\\/.][^\s"'`<>|]*)*)?/gu, "<path>")
    .replaceAll(/(?<![\w<])(?:file:\/*)?(?:[A-Za-z]:[\\/]|\\\\[\w.-]+\\)[^\r\n"'`<>|]*/gu, "<path>")
    .replaceAll(/(?<![\w<.:/])(?:file:\/\/|~)?\/(?:[^\s"'`<>|:/]+\/)+[^\r\n"'`<>|:]*/gu, "<path>");
}
