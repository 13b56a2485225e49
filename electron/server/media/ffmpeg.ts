import type { Readable } from "node:stream";
import type { RunningProgram } from "../common/child-process.ts";
import { cleanEnvironment, runProgram, startProgram } from "../common/child-process.ts";
import { FaultError, fileFault } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { secret } from "../common/logger.ts";
import { progressReader, type FfmpegProgress } from "./ffmpeg-progress.ts";
import { forwardTo } from "./forward-to.ts";

/** The one place where the ffmpeg program is started. Arguments are arrays; no shell, no network, no questions. */
export interface Ffmpeg {
  /** Where the program is and what it calls itself. Throws FFMPEG_MISSING or FFMPEG_UNUSABLE; the next call looks again. */
  readonly about: () => Promise<FfmpegAbout>;
  /** Runs to the end. Throws {@link FfmpegFailure} when ffmpeg reports an error, the signal's reason when it aborts. */
  readonly run: (args: readonly string[], options?: FfmpegOptions) => Promise<FfmpegResult>;
}

export interface FfmpegAbout {
  readonly path: string;
  /** Such as `7.1` or `n9.0.2-17-g2a571b6068`. */
  readonly version: string;
}

export interface FfmpegOptions {
  readonly signal?: AbortSignal | undefined;
  /** Written to its standard input (`pipe:0`). */
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Takes its standard output (`pipe:1`); without it the output must be small and comes with the result. */
  readonly output?: (stdout: AsyncIterable<Buffer>) => Promise<void>;
  /** Asks for progress reports, which then take standard output. */
  readonly onProgress?: (progress: FfmpegProgress) => void;
  readonly timeoutMilliseconds?: number;
}

export interface FfmpegResult {
  readonly stdout: Buffer;
  /** What it said, without the middle when it was long. */
  readonly messages: string;
}

/** ffmpeg ended with an error. `messages` is what it said. */
export class FfmpegFailure extends Error {
  readonly messages: string;

  constructor(messages: string, code: number | null, signal: NodeJS.Signals | null) {
    super(`ffmpeg ended with ${code === null ? (signal ?? "no status") : `status ${String(code)}`}: ${lastMessage(messages)}`);
    this.name = "FfmpegFailure";
    this.messages = messages;
  }

  /** The last thing it said, for the end of a sentence. */
  get reason(): string {
    return lastMessage(this.messages);
  }
}

/** Nothing on standard input may be taken as a command, and no file may lead to the network. */
const ALWAYS = ["-hide_banner", "-nostdin", "-loglevel", "warning"] as const;
const MOST_STDOUT_BYTES = 64 * 1024 * 1024;
const MOST_MESSAGE_CHARACTERS = 8_192;
const VERSION_MILLISECONDS = 20_000;
/** Asked to stop, ffmpeg would finish its file first; nobody wants that file. */
const STOP = { politeMilliseconds: 0, firmMilliseconds: 1_000 } as const;

/** `locate` finds the program's path; it is asked again after a failure. */
export function createFfmpeg({ locate, logger }: { readonly locate: () => Promise<string>; readonly logger: Logger }): Ffmpeg {
  let known: Promise<FfmpegAbout> | null = null;
  const about = (): Promise<FfmpegAbout> => {
    const asked = (known ??= examine(locate));
    asked.catch(() => {
      if (known === asked) known = null;
    });
    return asked;
  };

  const run = async (args: readonly string[], options: FfmpegOptions = {}): Promise<FfmpegResult> => {
    const { path } = await about();
    const all = [...ALWAYS, ...(options.onProgress === undefined ? [] : ["-progress", "pipe:1", "-nostats"]), ...args];
    logger.debug("ffmpeg", { args: secret(all.join(" ")) });
    const limits = [options.signal, options.timeoutMilliseconds === undefined ? undefined : AbortSignal.timeout(options.timeoutMilliseconds)];
    const signal = AbortSignal.any(limits.filter((one) => one !== undefined));
    signal.throwIfAborted();
    const program = await startProgram({ command: path, args: all, env: cleanEnvironment(process.env) });
    const onAbort = (): void => void program.stop(STOP);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await converse(program, options);
    } catch (error) {
      await program.stop(STOP);
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  };
  return { about, run };
}

async function converse(program: RunningProgram, options: FfmpegOptions): Promise<FfmpegResult> {
  const kept = { begin: "", end: "" };
  program.stderr.setEncoding("utf8").on("data", (text: string) => {
    // The begin describes the input, the end tells what went wrong.
    const room = MOST_MESSAGE_CHARACTERS - kept.begin.length;
    kept.begin += text.slice(0, room);
    kept.end = (kept.end + text.slice(room)).slice(-MOST_MESSAGE_CHARACTERS);
  });
  const stdout: Buffer[] = [];
  const [end] = await Promise.all([program.ended, feed(program, options), drain(program.stdout, options, stdout)]);
  const messages = kept.begin + kept.end;
  if (end.code !== 0) throw new FfmpegFailure(messages, end.code, end.signal);
  return { stdout: Buffer.concat(stdout), messages };
}

async function feed(program: RunningProgram, options: FfmpegOptions): Promise<void> {
  if (options.input === undefined) program.stdin.end();
  // ffmpeg may have read enough before the end: that is no failure of ours.
  else await forwardTo(program.stdin, options.input);
}

async function drain(stdout: Readable, options: FfmpegOptions, kept: Buffer[]): Promise<void> {
  if (options.onProgress !== undefined) {
    const read = progressReader(options.onProgress);
    for await (const chunk of stdout as AsyncIterable<Buffer>) read(chunk.toString("latin1"));
  } else if (options.output !== undefined) {
    await options.output(stdout as AsyncIterable<Buffer>);
  } else {
    let bytes = 0;
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MOST_STDOUT_BYTES) throw new Error("ffmpeg wrote far more than expected");
      kept.push(chunk);
    }
  }
}

async function examine(locate: () => Promise<string>): Promise<FfmpegAbout> {
  const path = await locate();
  const { code, stdout } = await runProgram({ command: path, args: ["-version"], env: cleanEnvironment(process.env) }, { timeoutMilliseconds: VERSION_MILLISECONDS }).catch((error: unknown) => {
    throw unusable(path, error instanceof FaultError ? error.fault.why : "The system refused to run it.", error);
  });
  const version = /^ffmpeg version (\S+)/.exec(stdout.toString("utf8"))?.[1];
  if (code !== 0 || version === undefined) throw unusable(path, "It does not answer as ffmpeg does.", null);
  return { path, version };
}

function unusable(path: string, why: string, cause: unknown): FaultError {
  return new FaultError(
    { code: "FFMPEG_UNUSABLE", what: "The media program ffmpeg cannot be used.", why: `${why} It was looked for at ${path}.`, hint: "Repair the runtime on the set-up page, or set AVATAR_STUDIO_FFMPEG to a working ffmpeg." },
    { cause },
  );
}

function lastMessage(messages: string): string {
  // "[mp3float @ 0x55] Header missing" -> "Header missing": addresses say nothing.
  const lines = messages.split(/[\r\n]+/).map((line) => line.replaceAll(/\[[^\]]* @ [^\]]*\]\s*/g, "").trim()).filter((line) => line !== "");
  return lines.at(-1) ?? "it said nothing";
}

/**
 * The words for a run of ffmpeg that failed although the input was fine: a full disk, or `what` with ffmpeg's own reason.
 * Other errors come back as they are.
 */
export function ffmpegFault(error: unknown, code: string, what: string, hint: string): unknown {
  if (!(error instanceof FfmpegFailure)) return error;
  if (/No space left on device|Disk quota exceeded/i.test(error.messages)) {
    const full = fileFault(Object.assign(new Error("no space"), { code: "ENOSPC" }));
    if (full !== null) return new FaultError(full, { cause: error });
  }
  return new FaultError({ code, what, why: `ffmpeg says: ${withoutPaths(error.reason)}.`, hint }, { cause: error });
}

/** What ffmpeg says may name files of ours that mean nothing to the user. */
function withoutPaths(reason: string): string {
  return reason.replaceAll(/(?:file:)?(?:[A-Za-z]:)?[/\\][^\s':]+/g, "the file").replace(/\.$/, "");
}
