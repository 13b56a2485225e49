import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm, statfs } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Transform } from "node:stream";
import { bytesText, GIGABYTE } from "../../contract/byte-size.ts";
import { type Fault } from "../../contract/fault.schema.ts";
import { FaultError, faultOf } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { sendFault, sendJson } from "./respond.ts";

export interface UploadLimits {
  readonly mostBytesEach: number;
  /** Of all uploads that nobody has taken over yet. */
  readonly mostBytesTogether: number;
  readonly mostAtOnce: number;
  readonly mostPerMinute: number;
  /** So much must stay free on the disk. */
  readonly reserveBytes: number;
  /** No data for so long ends an upload. */
  readonly idleMilliseconds: number;
  /** Slower than this on average, after the first `idleMilliseconds`, ends it too: sending a byte now and then must not hold a place for ever. */
  readonly leastBytesPerSecond: number;
  /** Nobody took it over for so long: it is removed. */
  readonly keepMilliseconds: number;
}

export const DEFAULT_UPLOAD_LIMITS: UploadLimits = {
  mostBytesEach: 4 * GIGABYTE,
  mostBytesTogether: 16 * GIGABYTE,
  mostAtOnce: 4,
  mostPerMinute: 120,
  reserveBytes: GIGABYTE,
  idleMilliseconds: 20_000,
  leastBytesPerSecond: 4_096,
  keepMilliseconds: 6 * 60 * 60 * 1000,
};

export interface Upload {
  readonly path: string;
  /** As the user knows it; never a part of a path. */
  readonly name: string;
  readonly bytes: number;
}

export interface Uploads {
  /** Answers `PUT /upload?name=`. */
  readonly receive: (request: IncomingMessage, response: ServerResponse, name: string) => Promise<void>;
  readonly find: (id: string) => Upload | null;
  /** After its content was copied. */
  readonly remove: (id: string) => Promise<void>;
}

export function createUploads(dependencies: { readonly folder: string; readonly limits: UploadLimits; readonly logger: Logger }): readonly [Uploads, () => Promise<void>] {
  const { folder, limits, logger } = dependencies;
  const finished = new Map<string, Upload & { readonly timer: NodeJS.Timeout }>();
  const running = new Map<string, { bytes: number; readonly abort: AbortController }>();
  let starts: readonly number[] = [];

  const bytesHeld = (): number => [...finished.values(), ...running.values()].reduce((sum, one) => sum + one.bytes, 0);

  /** Why an upload may not begin. */
  async function refusal(announced: number): Promise<{ readonly status: number; readonly fault: Fault } | null> {
    starts = starts.filter((at) => performance.now() - at < 60_000);
    if (running.size >= limits.mostAtOnce || starts.length >= limits.mostPerMinute) return { status: 429, fault: tooMany };
    if (announced > limits.mostBytesEach) return { status: 413, fault: tooLarge(limits.mostBytesEach) };
    if (bytesHeld() + announced > limits.mostBytesTogether) return { status: 413, fault: tooMuchTogether };
    // Taken at once: several requests may ask the disk at the same time.
    starts = [...starts, performance.now()];
    const disk = await statfs(folder);
    return disk.bavail * disk.bsize - announced < limits.reserveBytes ? { status: 507, fault: noSpace } : null;
  }

  async function store(request: IncomingMessage, id: string, entry: { bytes: number }, signal: AbortSignal): Promise<string> {
    const path = join(folder, id);
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        entry.bytes += chunk.length;
        if (entry.bytes > limits.mostBytesEach) done(new FaultError(tooLarge(limits.mostBytesEach)));
        else if (bytesHeld() > limits.mostBytesTogether) done(new FaultError(tooMuchTogether));
        else done(null, chunk);
      },
    });
    try {
      await pipeline(request, count, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal });
      return path;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async function receive(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    const announced = Number(request.headers["content-length"] ?? 0);
    const refused = await refusal(announced);
    if (refused !== null) {
      refuse(request, response, refused.status, refused.fault);
      return;
    }
    const id = randomBytes(16).toString("hex");
    const entry = { bytes: 0, abort: new AbortController() };
    running.set(id, entry);
    const stopWatching = watchSpeed(request, () => entry.bytes, limits, () => entry.abort.abort());
    try {
      const path = await store(request, id, entry, entry.abort.signal);
      const timer = setTimeout(() => void remove(id), limits.keepMilliseconds).unref();
      finished.set(id, { path, name: readableName(name), bytes: entry.bytes, timer });
      sendJson(response, 201, { uploadId: id, name: readableName(name), bytes: entry.bytes });
    } catch (error) {
      logger.info("an upload ended early", { error });
      const fault = entry.abort.signal.aborted ? tooSlow : faultOf(error);
      refuse(request, response, error instanceof FaultError ? 413 : entry.abort.signal.aborted ? 408 : 507, fault);
    } finally {
      stopWatching();
      running.delete(id);
    }
  }

  async function remove(id: string): Promise<void> {
    const upload = finished.get(id);
    if (upload === undefined) return;
    clearTimeout(upload.timer);
    finished.delete(id);
    await rm(upload.path, { force: true });
  }

  const uploads: Uploads = { receive, find: (id) => finished.get(id) ?? null, remove };
  const cleanup = async (): Promise<void> => {
    for (const { abort } of running.values()) abort.abort();
    await Promise.all([...finished.keys()].map(remove));
  };
  return [uploads, cleanup] as const;
}

/** Answers while the sender may still be sending; the connection ends after that, as the rest of the body cannot be told from a new request. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, fault: Fault): void {
  if (response.destroyed || response.headersSent) return;
  response.setHeader("Connection", "close");
  response.once("finish", () => {
    // Reading on for a moment lets the sender see the answer instead of a broken connection.
    request.resume();
    setTimeout(() => request.destroy(), 1_000).unref();
  });
  sendFault(response, status, fault);
}

function watchSpeed(request: IncomingMessage, bytes: () => number, limits: UploadLimits, giveUp: () => void): () => void {
  const started = performance.now();
  let last = { bytes: 0, at: started };
  const timer = setInterval(() => {
    const now = performance.now();
    if (bytes() !== last.bytes) last = { bytes: bytes(), at: now };
    const idle = now - last.at >= limits.idleMilliseconds;
    const slow = now - started >= limits.idleMilliseconds && bytes() < ((now - started) / 1000) * limits.leastBytesPerSecond;
    if ((idle || slow) && !request.complete) giveUp();
  }, Math.min(1_000, limits.idleMilliseconds / 4));
  return () => clearInterval(timer);
}

/** A file name for people: the last part, without control characters, of bounded length. */
export function readableName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const clean = last.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "").trim().slice(0, 200);
  return clean === "" || clean === "." || clean === ".." ? "upload" : clean;
}

const tooMany: Fault = { code: "TOO_MANY_UPLOADS", what: "The file was not taken.", why: "Too many files are being sent at once.", hint: "Wait until the others have arrived, then send it again.", field: null };
const tooMuchTogether: Fault = { code: "UPLOADS_FULL", what: "The file was not taken.", why: "The files sent before it fill the space for uploads.", hint: "Add those to a project first, or wait a while.", field: null };
const noSpace: Fault = { code: "DISK_FULL", what: "The file was not taken.", why: "The disk of the studio has too little space left.", hint: "Free some space, then send it again.", field: null };
const tooSlow: Fault = { code: "UPLOAD_TOO_SLOW", what: "The file was not taken.", why: "It stopped arriving, or came too slowly.", hint: "Check the connection, then send it again.", field: null };

function tooLarge(mostBytes: number): Fault {
  return { code: "FILE_TOO_LARGE", what: "The file was not taken.", why: `It is larger than ${bytesText(mostBytes)}.`, hint: "Cut it, or save it in a compressed form such as FLAC or M4A.", field: null };
}
