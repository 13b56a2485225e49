/** Longest path within a runtime. */
const MOST_CHARACTERS = 240;
/** Names that Windows gives to devices, with any ending. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * What is wrong with the first name in the list that could leave the folder, or that some system cannot hold; null when all are good.
 * Judged the same on every system, so that an archive that works here works there.
 */
export function nameFault(paths: readonly string[]): string | null {
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const path of paths) {
    const fault = partFault(path);
    if (fault !== null) return `${fault}: ${JSON.stringify(path.slice(0, 120))}`;
    // Windows and macOS take two names that differ in case only for one.
    const folded = path.normalize("NFC").toLowerCase();
    if (files.has(folded)) return `two files have this name: ${JSON.stringify(path)}`;
    files.add(folded);
    for (let at = folded.lastIndexOf("/"); at > 0; at = folded.lastIndexOf("/", at - 1)) folders.add(folded.slice(0, at));
  }
  for (const path of files) if (folders.has(path)) return `a file and a folder have this name: ${JSON.stringify(path)}`;
  return null;
}

function partFault(path: string): string | null {
  if (path === "" || path.length > MOST_CHARACTERS) return "a name is empty or too long";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "a name is absolute";
  if (/[\\:*?"<>|\u0000-\u001f\u007f]/.test(path)) return "a name has a character that some systems forbid";
  for (const part of path.split("/")) {
    if (part === ".." || part === ".") return "a name leads out of the folder";
    if (part === "" || part.endsWith(".") || part.endsWith(" ")) return "a part of a name is empty or ends in a dot or space";
    if (DEVICE.test(part)) return "a name is one of Windows' devices";
  }
  return null;
}
