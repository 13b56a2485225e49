/**
 * What one line of pip's output says about how far it is.
 * @typedef {{ kind: "collect", name: string }
 *   | { kind: "download", name: string }
 *   | { kind: "bytes", done: number, total: number }
 *   | { kind: "install", count: number }
 *   | { kind: "error", text: string }} PipEvent
 */

/**
 * Read one line of pip's output (run with `--progress-bar raw`).
 * @param {string} line
 * @returns {PipEvent | null} null for lines that say nothing about progress
 */
export function parsePipLine(line) {
  const text = line.trim();
  let match = /^Progress (\d+) of (\d+)$/.exec(text);
  if (match) return { kind: "bytes", done: Number(match[1]), total: Number(match[2]) };
  match = /^(?:Collecting|Processing|Requirement already satisfied:) ([\w.-]+)/.exec(text);
  if (match) return { kind: "collect", name: match[1] };
  match = /^Downloading (?:\S*\/)?([\w.]+?)-\d\S*\.(?:whl|tar\.gz)/.exec(text);
  if (match) return { kind: "download", name: match[1] };
  match = /^Installing collected packages: (.+)$/.exec(text);
  if (match) return { kind: "install", count: match[1].split(", ").length };
  match = /^ERROR: (.+)$/.exec(text);
  if (match) return { kind: "error", text: match[1] };
  return null;
}

/**
 * Follows pip's lines and says in a few words where it is.
 * @param {number} expected how many packages are pinned
 * @returns {(line: string) => string | null} the words to show, or null when nothing changed
 */
export function pipNarrator(expected) {
  let collected = 0;
  let current = "";
  return (line) => {
    const event = parsePipLine(line);
    switch (event?.kind) {
      case "collect":
        collected += 1;
        return `${Math.min(collected, expected)} of ${expected} found (${event.name})`;
      case "download":
        current = event.name;
        return `downloading ${current}`;
      case "bytes":
        return event.total > 0 ? `downloading ${current} ${megabytes(event.done)} of ${megabytes(event.total)} MB` : null;
      case "install":
        return `unpacked 0 of ${event.count}`;
      default:
        return null;
    }
  };
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
