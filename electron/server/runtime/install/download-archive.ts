import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../../common/atomic-file.ts";
import { FaultError } from "../../common/fault-error.ts";
import { volumeDamaged } from "../archive/archive-faults.ts";
import { type Archive, MOST_INDEX_BYTES, openArchive, parseIndex } from "../archive/open-archive.ts";

/** A server that says nothing for this long is given up; what was fetched stays and is gone on with. */
const SILENCE_MILLISECONDS = 60_000;
const ATTEMPTS = 5;

/**
 * Fetch an archive into a folder: the index, then each volume, going on behind what an earlier attempt has left. A volume gets its name only when its sha256 is right.
 * @throws FaultError ADDRESS_UNUSABLE, DOWNLOAD_FAILED, ARCHIVE_UNREADABLE, ARCHIVE_VOLUME_DAMAGED, or the signal's reason
 */
export async function downloadArchive(address: string, folder: string, onBytes: (done: number, total: number) => void, signal: AbortSignal): Promise<Archive> {
  const url = archiveAddress(address);
  await mkdir(folder, { recursive: true });
  const text = await fetchText(url, signal);
  const index = parseIndex(text);
  const total = index.volumes.reduce((sum, volume) => sum + volume.bytes, 0);
  let before = 0;
  for (const volume of index.volumes) {
    await fetchVolume(new URL(volume.name, url), join(folder, volume.name), volume, (done) => onBytes(before + done, total), signal);
    before += volume.bytes;
  }
  const path = join(folder, `avatar-studio-runtime-${index.id}.json`);
  await writeFileAtomically(path, text);
  return openArchive(path);
}

/** The address of an index. Without encryption only on this machine: whoever sits between could give any program. */
export function archiveAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const local = url !== null && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url !== null && url.pathname.endsWith(".json") && (url.protocol === "https:" || (url.protocol === "http:" && local))) return url;
  throw new FaultError({ code: "ADDRESS_UNUSABLE", what: "This address cannot be used.", why: "It must begin with https:// and end in .json, the archive's index.", hint: "Copy the address of the .json file." });
}

interface Volume {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

async function fetchVolume(url: URL, path: string, volume: Volume, onBytes: (done: number) => void, signal: AbortSignal): Promise<void> {
  if ((await sizeOf(path)) === volume.bytes) {
    onBytes(volume.bytes);
    return;
  }
  const part = `${path}.part`;
  let last: unknown = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    signal.throwIfAborted();
    const before = (await sizeOf(part)) ?? 0;
    if (before < volume.bytes) {
      last = await fetchRest(url, part, before, volume.bytes, onBytes, signal).then(
        () => null,
        (error: unknown) => error ?? "no reason",
      );
      const now = (await sizeOf(part)) ?? 0;
      // An attempt that got further is none of the failed ones.
      if (now > before) attempt = -1;
      if (now < volume.bytes) continue;
    }
    if ((await sizeOf(part)) === volume.bytes && (await sha256Of(part, signal)) === volume.sha256) return rename(part, path);
    // Which byte is wrong nobody knows: the volume is fetched anew, once.
    await rm(part, { force: true });
    throw volumeDamaged(volume.name, "What the server gave has another sha256 than the index.");
  }
  signal.throwIfAborted();
  throw downloadFailed(url, last);
}

/** Append what is missing to `part`. */
async function fetchRest(url: URL, part: string, from: number, bytes: number, onBytes: (done: number) => void, signal: AbortSignal): Promise<void> {
  await withPatience(signal, async (patient, alive) => {
    const answer = await fetch(url, { headers: from === 0 ? {} : { Range: `bytes=${String(from)}-` }, signal: patient });
    const resumed = answer.status === 206 && answer.headers.get("content-range")?.startsWith(`bytes ${String(from)}-`) === true;
    if (!answer.ok || answer.body === null || (answer.status === 206 && !resumed)) throw new Error(`The server answered ${String(answer.status)}.`);
    const file = await open(part, resumed ? "a" : "w");
    let done = resumed ? from : 0;
    try {
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
        alive();
        done += chunk.length;
        if (done > bytes) throw new Error("The server sent more than the volume has.");
        await file.writeFile(chunk);
        onBytes(done);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

async function fetchText(url: URL, signal: AbortSignal): Promise<string> {
  try {
    return await withPatience(signal, async (patient) => {
      const answer = await fetch(url, { signal: patient });
      if (!answer.ok || answer.body === null) throw new Error(`The server answered ${String(answer.status)}.`);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
        length += chunk.length;
        if (length > MOST_INDEX_BYTES) throw new Error("The file is far larger than an index.");
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString("utf8");
    });
  } catch (error) {
    signal.throwIfAborted();
    throw downloadFailed(url, error);
  }
}

/** Gives up when `alive` was not called for a while. */
async function withPatience<T>(signal: AbortSignal, work: (patient: AbortSignal, alive: () => void) => Promise<T>): Promise<T> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error("The server fell silent.")), SILENCE_MILLISECONDS);
  try {
    return await work(AbortSignal.any([signal, silence.signal]), () => timer.refresh());
  } finally {
    clearTimeout(timer);
  }
}

function downloadFailed(url: URL, error: unknown): FaultError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : error instanceof Error ? error.message : "no reason given";
  return new FaultError({ code: "DOWNLOAD_FAILED", what: "The archive could not be downloaded.", why: `${url.host}: ${cause}`, hint: "Check the connection and the address, then try again: it goes on where it stopped." });
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}

async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2, signal }) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}
