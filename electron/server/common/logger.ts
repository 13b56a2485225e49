import { mkdir, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Logs stay on this machine. Values that a user may not want to send to others (prompts, paths, names) are marked with {@link secret};
 * the diagnostics report leaves them out with {@link withoutSecrets}.
 */
export type LogLevel = "debug" | "info" | "warning" | "error";

export interface Logger {
  readonly debug: (text: string, details?: LogDetails) => void;
  readonly info: (text: string, details?: LogDetails) => void;
  readonly warning: (text: string, details?: LogDetails) => void;
  readonly error: (text: string, details?: LogDetails) => void;
}

export type LogDetails = Readonly<Record<string, unknown>>;

const OPEN = "\u2e28";
const CLOSE = "\u2e29";

/** A value that {@link withoutSecrets} takes out of the text. */
export function secret(value: unknown): string {
  return `${OPEN}${String(value).replaceAll(/[\u2e28\u2e29]/gu, "?").replaceAll("\n", "\\n")}${CLOSE}`;
}

/** The text of a log without the values marked as secret. Also a mark that was cut off hides the rest of its line. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/\u2e28[^\u2e29\n]*\u2e29?/gu, "[hidden]").replaceAll(/^[^\u2e28\n]*\u2e29/gmu, "[hidden]");
}

/** A file that lines are appended to; when it is full it becomes `<path>.1`, and so on up to `keep`. */
export interface LogFile {
  readonly write: (line: string) => void;
  /** Resolves when all lines written so far are in the file. Never rejects: a log must not stop work. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** More than this waiting means that the disk does not keep up; later lines are counted and dropped. */
const MOST_WAITING_CHARACTERS = 1_000_000;

export function createLogFile(path: string, limits: { readonly maximumBytes?: number; readonly keep?: number } = {}): LogFile {
  const maximumBytes = limits.maximumBytes ?? 5 * 1024 * 1024;
  const keep = limits.keep ?? 2;
  let waiting = "";
  let dropped = 0;
  let file: FileHandle | null = null;
  let bytes = 0;
  let running: Promise<void> | null = null;

  async function opened(): Promise<FileHandle> {
    if (file !== null && bytes < maximumBytes) return file;
    if (file !== null) {
      await file.close();
      file = null;
      for (let number = keep; number >= 1; number -= 1) await rename(number === 1 ? path : `${path}.${String(number - 1)}`, `${path}.${String(number)}`).catch(() => undefined);
    }
    await mkdir(dirname(path), { recursive: true });
    file = await open(path, "a");
    bytes = (await file.stat()).size;
    return file;
  }

  async function drain(): Promise<void> {
    while (waiting !== "") {
      const text = waiting + (dropped > 0 ? `... ${String(dropped)} lines were dropped: the disk was too slow\n` : "");
      waiting = "";
      dropped = 0;
      try {
        const target = await opened();
        await target.appendFile(text);
        bytes += Buffer.byteLength(text);
      } catch {
        // A full disk must not stop the program for the sake of its log.
      }
    }
  }

  const flush = async (): Promise<void> => {
    running ??= drain().finally(() => (running = null));
    await running;
    if (waiting !== "") await flush();
  };

  return {
    write: (line) => {
      if (waiting.length > MOST_WAITING_CHARACTERS) dropped += 1;
      else waiting += `${line}\n`;
      void flush();
    },
    flush,
    close: async () => {
      await flush();
      await file?.close().catch(() => undefined);
      file = null;
    },
  };
}

/** Lines of the form `2026-01-31T12:00:00.000Z warning projects: text {"detail":1}`. `area` is the capability. */
export function createLogger(file: Pick<LogFile, "write">, area: string): Logger {
  const at = (level: LogLevel) => (text: string, details?: LogDetails) => file.write(`${new Date().toISOString()} ${level} ${area}: ${oneLine(text)}${details === undefined ? "" : ` ${detailText(details)}`}`);
  return { debug: at("debug"), info: at("info"), warning: at("warning"), error: at("error") };
}

/** A logger that keeps nothing, for tests. */
export const silentLogger: Logger = createLogger({ write: () => undefined }, "silent");

/** The last lines of a log, at most so many bytes. */
export async function readTail(path: string, mostBytes: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - mostBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.toString("utf8", 0, bytesRead);
    // The first line may be cut, even within a character.
    return start === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } finally {
    await file.close();
  }
}

/** Removes the oldest of the logs `<prefix>*.log` of earlier runs. Never throws. */
export async function removeOldLogs(folder: string, prefix: string, keep: number): Promise<void> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(prefix)).sort();
  for (const name of names.slice(0, Math.max(0, names.length - keep))) await rm(join(folder, name), { force: true }).catch(() => undefined);
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ");
}

function detailText(details: LogDetails): string {
  return JSON.stringify(details, (_key, value: unknown) => (value instanceof Error ? errorText(value) : typeof value === "bigint" ? String(value) : value));
}

/** Messages of errors may hold paths and prompts: they are secret, their kind and code lines are not. */
function errorText(error: Error): Record<string, unknown> {
  return { error: error.name, ..."code" in error ? { code: error.code } : {}, message: secret(error.message), stack: secret(error.stack ?? ""), ...(error.cause instanceof Error ? { cause: errorText(error.cause) } : {}) };
}
