import { access } from "node:fs/promises";
import { join } from "node:path";

const RESERVED_BY_WINDOWS = /^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?$/i;
/** Room for numbers, endings and temporary marks below the 255 bytes that file systems allow. */
const MOST_BYTES = 150;

/** A file name that every system accepts and that still reads like `name`; `fallback` when nothing of it is left. */
export function safeFileName(name: string, fallback: string): string {
  const clean = shortened(
    name
      .normalize("NFC")
      .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}<>:"/\\|?*]/gu, " ")
      .replaceAll(/\s+/g, " ")
      .trim(),
  ).replaceAll(/^[. ]+|[. ]+$/g, "");
  return clean === "" || RESERVED_BY_WINDOWS.test(clean) ? fallback : clean;
}

/** `name`, or `name 2`, `name 3` …: the first that is free in the folder. */
export async function freeName(folder: string, name: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name} ${String(number)}`;
    const taken = await access(join(folder, candidate)).then(() => true, () => false);
    if (!taken) return candidate;
  }
}

/** Cut between characters, at most MOST_BYTES long in UTF-8. */
function shortened(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MOST_BYTES) break;
    end += character.length;
  }
  return text.slice(0, end).trim();
}
