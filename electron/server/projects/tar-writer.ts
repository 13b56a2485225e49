import { createReadStream } from "node:fs";
import { type FileHandle } from "node:fs/promises";

/**
 * A tar archive, as every system can unpack: ustar headers, with an extended header (pax) for names and sizes that do not fit.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */
const BLOCK = 512;
const MOST_USTAR_BYTES = 8 ** 11 - 1;

export interface TarEntry {
  /** Within the archive, with forward slashes. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changedAt: number;
}

/** Writes all entries. Throws when a file is not as long as announced: an archive must not be half. */
export async function writeTar(file: FileHandle, entries: readonly TarEntry[]): Promise<void> {
  for (const entry of entries) {
    await file.appendFile(tarHeader(entry));
    let written = 0;
    for await (const chunk of createReadStream(entry.path, { highWaterMark: 1024 ** 2 }) as AsyncIterable<Buffer>) {
      await file.appendFile(chunk);
      written += chunk.length;
    }
    if (written !== entry.bytes) throw new Error("A file changed while it was being archived.");
    await file.appendFile(Buffer.alloc(padding(entry.bytes)));
  }
  await file.appendFile(Buffer.alloc(2 * BLOCK));
}

/** Length of an archive of these entries. */
export function tarBytes(entries: readonly Omit<TarEntry, "path">[]): number {
  return entries.reduce((sum, entry) => sum + tarHeader(entry).length + entry.bytes + padding(entry.bytes), 2 * BLOCK);
}

/** All header blocks of one file. */
export function tarHeader(entry: Omit<TarEntry, "path">): Buffer {
  const plain = /^[\x20-\x7e]{1,100}$/.test(entry.name) && entry.bytes <= MOST_USTAR_BYTES;
  const short = plain ? entry.name : `long-name/${entry.name.replaceAll(/[^\x20-\x7e]/g, "_").slice(-80)}`;
  const own = header(short, Math.min(entry.bytes, MOST_USTAR_BYTES), entry.changedAt, "0");
  if (plain) return own;
  const records = Buffer.from(paxRecord("path", entry.name) + (entry.bytes > MOST_USTAR_BYTES ? paxRecord("size", String(entry.bytes)) : ""));
  return Buffer.concat([header("pax-header", records.length, entry.changedAt, "x"), records, Buffer.alloc(padding(records.length)), own]);
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) length = String(length).length + Buffer.byteLength(rest);
  return `${String(length)}${rest}`;
}

function header(name: string, bytes: number, changedAt: number, type: "0" | "x"): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => Math.max(0, Math.floor(value)).toString(8).padStart(digits, "0");
  block.write(name, 0, 100);
  block.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
  block.write(`${octal(bytes, 11)}\0${octal(changedAt / 1000, 11)}\0`, 124);
  // The checksum is counted with its own place filled with spaces.
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function padding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}
