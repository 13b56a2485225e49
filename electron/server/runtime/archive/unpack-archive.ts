import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { createBrotliDecompress } from "node:zlib";
import { createTarDecoder, type ParsedTarEntry } from "modern-tar";
import { FaultError, systemErrorCode } from "../../common/fault-error.ts";
import { contentDamaged, contentUnsafe } from "./archive-faults.ts";
import { MANIFEST_NAME, type ManifestFile, type RuntimeManifest, runtimeManifestSchema } from "./format.schema.ts";
import type { Archive } from "./open-archive.ts";

const CHUNK_BYTES = 1024 ** 2;
/** Some 150 bytes a file; the largest runtime has 40,000. */
const MOST_MANIFEST_BYTES = 64 * CHUNK_BYTES;

/**
 * Unpack an archive, whose volumes are verified, into a folder that does not exist yet, comparing every file with the manifest on the way.
 * The archive holds plain files in the manifest's order and nothing else, so whatever is not the very next one is refused before a byte of it is written.
 * `onBytes` hears how many bytes were written.
 * @throws FaultError ARCHIVE_DAMAGED, ARCHIVE_UNSAFE, or that of the disk; or the signal's reason. The folder is then worth nothing.
 */
export async function unpackArchive(archive: Archive, folder: string, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<RuntimeManifest> {
  await mkdir(folder);
  const entries = tarEntries(archive, signal);
  try {
    const manifest = await readManifest(archive, await entries.next());
    await writeFile(join(folder, MANIFEST_NAME), manifest.text);
    const folders = new Set<string>();
    for (const file of manifest.value.files) {
      const { done, value: entry } = await entries.next();
      if (done === true) throw contentDamaged(`It ends before ${file.path}.`);
      signal.throwIfAborted();
      refuseOther(entry, file);
      const target = join(folder, file.path);
      if (!folders.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
      folders.add(dirname(target));
      await writeEntry(entry, file, target, onBytes);
    }
    const more = await entries.next();
    if (more.done !== true) throw contentDamaged(`It holds ${JSON.stringify(more.value.header.name.slice(0, 120))}, which its list does not have.`);
    return manifest.value;
  } catch (error) {
    signal.throwIfAborted();
    // What the system says about the disk is not the archive's fault; what Brotli or tar stumble over is.
    if (error instanceof FaultError || isOfTheDisk(error)) throw error;
    throw contentDamaged(`It cannot be read: ${error instanceof Error ? error.message : "unknown reason"}.`);
  } finally {
    await entries.return(undefined);
  }
}

/** The entries of the tar in the joined volumes. */
async function* tarEntries(archive: Archive, signal: AbortSignal): AsyncGenerator<ParsedTarEntry, undefined, undefined> {
  async function* joined(): AsyncGenerator<Buffer, void, undefined> {
    for (const { name } of archive.index.volumes) yield* createReadStream(join(archive.folder, name), { highWaterMark: CHUNK_BYTES, signal }) as AsyncIterable<Buffer>;
  }
  const packed = Readable.from(joined(), { objectMode: false });
  const plain = createBrotliDecompress({ chunkSize: CHUNK_BYTES });
  packed.on("error", (error) => plain.destroy(error));
  const bytes = Readable.toWeb(packed.pipe(plain)) as ReadableStream<Uint8Array>;
  const reader = bytes.pipeThrough(createTarDecoder({ strict: true })).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      yield value;
    }
  } finally {
    packed.destroy();
    plain.destroy();
    await reader.cancel().catch(() => undefined);
  }
}

async function readManifest(archive: Archive, first: IteratorResult<ParsedTarEntry, undefined>): Promise<{ readonly text: Buffer; readonly value: RuntimeManifest }> {
  if (first.done === true) throw contentDamaged("It is empty.");
  const { header, body } = first.value;
  if (header.name !== MANIFEST_NAME || header.type !== "file") throw contentDamaged("It does not begin with its list of files.");
  if (header.size > MOST_MANIFEST_BYTES) throw contentDamaged("Its list of files is far too long.");
  const chunks: Uint8Array[] = [];
  for await (const chunk of iterate(body)) chunks.push(chunk);
  const text = Buffer.concat(chunks);
  if (createHash("sha256").update(text).digest("hex") !== archive.index.manifestSha256) throw contentDamaged("Its list of files is not the one that the index names.");
  return { text, value: parseManifest(text.toString("utf8"), archive) };
}

function parseManifest(text: string, { index }: Archive): RuntimeManifest {
  const read = runtimeManifestSchema.safeParse(parsed(text));
  if (!read.success) {
    const [issue] = read.error.issues;
    if (issue?.path[0] === "files" && issue.code === "custom") throw contentUnsafe(`In its list, ${issue.message}.`);
    throw contentDamaged("Its list of files has an unknown form.");
  }
  const { id, files } = read.data;
  if (id !== index.id || files.length !== index.files) throw contentDamaged("Its list of files belongs to another archive.");
  if (files.some((file) => file.path === MANIFEST_NAME)) throw contentUnsafe("It would overwrite its own list of files.");
  return read.data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** An entry that is not exactly the wanted one, in words that say what it is. */
function refuseOther({ header }: ParsedTarEntry, wanted: ManifestFile): void {
  const name = JSON.stringify(header.name.slice(0, 120));
  if (header.type !== "file") throw contentUnsafe(`${name} is a ${KINDS[header.type ?? ""] ?? "special entry"}; only plain files are allowed.`);
  if (header.name.startsWith("/") || /^[A-Za-z]:/.test(header.name)) throw contentUnsafe(`${name} is an absolute name.`);
  if (header.name.split(/[\\/]/).includes("..")) throw contentUnsafe(`${name} leads out of the folder.`);
  if (header.name !== wanted.path) throw contentDamaged(`${name} stands where its list has ${wanted.path}.`);
  if (header.size !== wanted.bytes) throw contentDamaged(`${wanted.path} has ${String(header.size)} bytes instead of ${String(wanted.bytes)}.`);
}

const KINDS: Readonly<Record<string, string>> = { symlink: "symbolic link", link: "link", "character-device": "device", "block-device": "device", fifo: "pipe", directory: "folder" };

async function writeEntry(entry: ParsedTarEntry, file: ManifestFile, target: string, onBytes: (bytes: number) => void): Promise<void> {
  const hash = createHash("sha256");
  const handle = await open(target, "wx", file.executable ? 0o755 : 0o644);
  try {
    for await (const chunk of iterate(entry.body)) {
      hash.update(chunk);
      await handle.writeFile(chunk);
      onBytes(chunk.length);
    }
    // Elsewhere one `sync` at the end flushes everything at once.
    if (process.platform === "win32") await handle.sync();
  } finally {
    await handle.close();
  }
  if (hash.digest("hex") !== file.sha256) throw contentDamaged(`The sha256 of ${file.path} is not that of its list.`);
}

/** A stream of the web's kind can be iterated in Node, but its type does not say so. */
async function* iterate(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Such as ENOSPC; Brotli's own codes begin with ERR_ or Z_. */
function isOfTheDisk(error: unknown): boolean {
  return /^E(?!RR_)[A-Z0-9]+$/.test(systemErrorCode(error) ?? "");
}
