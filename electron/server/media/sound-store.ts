import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { moveIntoPlace, removeStaleTemporaries, temporaryNameFor } from "../common/atomic-file.ts";
import { FaultError, faultOf, fileFault, systemErrorCode } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { type Ffmpeg, ffmpegFault } from "./ffmpeg.ts";
import { soundInput } from "./ffmpeg-input.ts";

/** Rate of all mixes, in samples a second. One rate for all: a recording added later cannot change the samples of what was there. */
export const MIX_SAMPLE_RATE = 48_000;
/** Changes when copies of an earlier program must not be used. */
const FORMAT = "1";
const SAMPLE_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** A recording of a project as a file of the disk. */
export interface SoundSource {
  readonly path: string;
  /** Name the user knows it by. */
  readonly name: string;
  /** As imported: at the file's own rate. */
  readonly samples: number;
  readonly sampleRate: number;
  readonly channels: number;
}

/** A recording at {@link MIX_SAMPLE_RATE}, readable from any sample. Close it. */
export interface SoundReader {
  readonly channels: 1 | 2;
  /**
   * Puts `count` frames from `start` on into `target`, interleaved. What lies beyond the recording is silence. Waits where the recording
   * is still being decoded. Throws AUDIO_UNREADABLE, DISK_FULL.
   */
  readonly read: (start: number, count: number, target: Float32Array) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Recordings decoded once into files of plain samples (32-bit float, at most two channels), so that a mix reads any piece of any of them
 * at its exact sample: seeking in compressed files is neither exact nor fast. They lie in a cache that is kept below a size.
 */
export interface SoundStore {
  readonly open: (source: SoundSource) => Promise<SoundReader>;
  /** Throws away what is not in use; returns the bytes that are free now. */
  readonly clear: () => Promise<number>;
  /** Stops decoding. */
  readonly close: () => Promise<void>;
}

/** A copy that is complete, or grows. */
interface Copy {
  readonly path: string;
  readonly frames: number;
  readonly channels: 1 | 2;
  readonly file: FileHandle;
  readonly growth: Growth | null;
  readers: number;
  closed: boolean;
  /** What the store knows it by. */
  opened: Promise<Copy> | null;
}

interface Growth {
  /** Frames that can be read. */
  written: number;
  failure: { readonly error: unknown } | null;
  ended: boolean;
  readonly waiting: (() => void)[];
  readonly controller: AbortController;
  finished: Promise<void>;
}

export function createSoundStore({ ffmpeg, folder, maximumBytes, logger }: { readonly ffmpeg: Ffmpeg; readonly folder: string; readonly maximumBytes: number; readonly logger: Logger }): SoundStore {
  const copies = new Map<string, Promise<Copy>>();
  const ready = mkdir(folder, { recursive: true }).then(() => removeStaleTemporaries(folder));
  // Who opens a recording hears about a folder that cannot be made.
  ready.catch(() => undefined);

  /** Closes a copy that nobody reads or writes any more. */
  const release = async (copy: Copy): Promise<void> => {
    if (copy.readers > 0 || copy.growth?.ended === false) return;
    if (copies.get(copy.path) === copy.opened) copies.delete(copy.path);
    if (copy.closed) return;
    copy.closed = true;
    await copy.file.close();
  };

  const startDecoding = async (path: string, source: SoundSource, copy: Copy, growth: Growth, temporary: string): Promise<void> => {
    try {
      await decode(ffmpeg, source, copy, growth);
      await copy.file.sync();
      await moveIntoPlace(temporary, path);
      await keepBelow(folder, maximumBytes, new Set(copies.keys()));
    } catch (error) {
      growth.failure = { error };
      logger.warning("A recording could not be decoded for mixing", { error });
      await rm(temporary, { force: true }).catch(() => undefined);
    } finally {
      growth.ended = true;
      wake(growth);
      await release(copy);
    }
  };

  const openCopy = async (path: string, source: SoundSource): Promise<Copy> => {
    const channels = source.channels === 1 ? 1 : 2;
    const frames = Math.round((source.samples * MIX_SAMPLE_RATE) / source.sampleRate);
    const whole = await openIfWhole(path, frames * channels * SAMPLE_BYTES);
    if (whole !== null) {
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined);
      return { path, frames, channels, file: whole, growth: null, readers: 0, closed: false, opened: null };
    }
    const temporary = temporaryNameFor(path);
    const file = await open(temporary, "wx+");
    const growth: Growth = { written: 0, failure: null, ended: false, waiting: [], controller: new AbortController(), finished: Promise.resolve() };
    const copy: Copy = { path, frames, channels, file, growth, readers: 0, closed: false, opened: null };
    // It goes on to the end although its first reader may leave soon: a player asks for one short range after another.
    growth.finished = startDecoding(path, source, copy, growth, temporary);
    return copy;
  };

  const acquire = async (path: string, source: SoundSource): Promise<Copy> => {
    for (;;) {
      const known = copies.get(path);
      const opened = known ?? openCopy(path, source);
      if (known === undefined) copies.set(path, opened);
      const copy = await opened.catch((error: unknown) => {
        if (copies.get(path) === opened) copies.delete(path);
        throw soundFault(error, source);
      });
      copy.opened = opened;
      // While we waited the last reader may have left it; a failed one is tried again.
      const failed = known !== undefined && Boolean(copy.growth?.failure);
      if (!copy.closed && !failed) {
        copy.readers += 1;
        return copy;
      }
      if (copies.get(path) === opened) copies.delete(path);
    }
  };

  return {
    open: async (source) => {
      await ready;
      const copy = await acquire(join(folder, await copyName(source)), source);
      let isOpen = true;
      return {
        channels: copy.channels,
        read: (start, count, target) => read(copy, source, start, count, target),
        close: async () => {
          if (!isOpen) return;
          isOpen = false;
          copy.readers -= 1;
          await release(copy);
        },
      };
    },
    clear: async () => {
      await ready;
      return keepBelow(folder, 0, new Set(copies.keys()));
    },
    close: async () => {
      for (const opened of [...copies.values()]) {
        const copy = await opened.catch(() => null);
        copy?.growth?.controller.abort(new DOMException("The program ends", "AbortError"));
        await copy?.growth?.finished;
      }
    },
  };
}

async function read(copy: Copy, source: SoundSource, start: number, count: number, target: Float32Array): Promise<void> {
  const end = Math.min(copy.frames, start + count);
  const growth = copy.growth;
  while (growth !== null && !growth.ended && growth.written < end) await new Promise<void>((resolve) => growth.waiting.push(resolve));
  if (growth?.failure && growth.written < end) throw soundFault(growth.failure.error, source);
  const from = Math.max(0, Math.min(start, copy.frames));
  const wanted = Math.max(0, end - from) * copy.channels;
  const bytes = new Uint8Array(target.buffer, target.byteOffset, wanted * SAMPLE_BYTES);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await copy.file.read(bytes, done, bytes.length - done, from * copy.channels * SAMPLE_BYTES + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  target.fill(0, Math.floor(done / SAMPLE_BYTES), count * copy.channels);
}

/** Decodes and resamples into the copy's file, from which others read meanwhile. Its length is what the import counted. */
async function decode(ffmpeg: Ffmpeg, source: SoundSource, copy: Copy, growth: Growth): Promise<void> {
  const frameBytes = copy.channels * SAMPLE_BYTES;
  const total = copy.frames * frameBytes;
  let place = 0;
  const args = [...soundInput(source.path), "-map", "0:a:0", "-af", `aresample=${String(MIX_SAMPLE_RATE)}:filter_size=64`, "-ac", String(copy.channels), "-c:a", "pcm_f32le", "-bitexact", "-f", "f32le", "pipe:1"];
  await ffmpeg.run(args, {
    signal: growth.controller.signal,
    output: async (stdout) => {
      for await (const chunk of stdout) {
        const part = chunk.subarray(0, Math.max(0, total - place));
        await writeAll(copy.file, part, place);
        place += part.length;
        growth.written = Math.floor(place / frameBytes);
        wake(growth);
      }
    },
  });
  // A resampler's end may lack a sample or two.
  if (place < total) await copy.file.truncate(total);
  growth.written = copy.frames;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, place: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, place + done);
    done += bytesWritten;
  }
}

function wake(growth: Growth): void {
  for (const resolve of growth.waiting.splice(0)) resolve();
}

/** Same file, same name; a file that was replaced gets another one. Paths are in it: a project cannot pass its samples off as another's. */
async function copyName(source: SoundSource): Promise<string> {
  const facts = await stat(source.path).catch((error: unknown) => {
    throw soundFault(error, source);
  });
  const identity = [FORMAT, source.path, facts.size, facts.mtimeMs, source.samples, source.sampleRate, source.channels];
  return `${createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 40)}.f32`;
}

async function openIfWhole(path: string, bytes: number): Promise<FileHandle | null> {
  try {
    const file = await open(path, "r");
    if ((await file.stat()).size === bytes) return file;
    await file.close();
    return null;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Removes copies not used for longest until the rest is below the limit; those in use stay. Returns the bytes removed. */
async function keepBelow(folder: string, maximumBytes: number, inUse: ReadonlySet<string>): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".f32"));
  const files = await Promise.all(names.map(async (name) => ({ path: join(folder, name), facts: await stat(join(folder, name)).catch(() => null) })));
  const known = files.flatMap(({ path, facts }) => (facts === null ? [] : [{ path, bytes: facts.size, used: facts.mtimeMs }])).sort((one, other) => one.used - other.used);
  const total = known.reduce((sum, { bytes }) => sum + bytes, 0);
  let removed = 0;
  for (const { path, bytes } of known) {
    if (total - removed <= maximumBytes) break;
    if (inUse.has(path)) continue;
    await rm(path, { force: true });
    removed += bytes;
  }
  return removed;
}

function soundFault(error: unknown, source: SoundSource): unknown {
  if (systemErrorCode(error) === "ENOENT") {
    return new FaultError({ code: "MEDIA_NOT_FOUND", what: `The recording "${source.name}" is missing.`, why: "Its file is not in the project's folder any more.", hint: "Use \"Locate\" on the recording to put it back.", field: "audio" }, { cause: error });
  }
  if (fileFault(error) !== null) return new FaultError(faultOf(error), { cause: error });
  return ffmpegFault(error, "AUDIO_UNREADABLE", `The recording "${source.name}" cannot be read.`, "Import the recording again.");
}
