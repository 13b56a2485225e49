import { type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isAbortError } from "../common/fault-error.ts";
import { sendText } from "./respond.ts";

/** A file that is made while it is read. */
export interface VirtualFile {
  readonly bytes: number;
  /** Bytes from `start` up to `end`. */
  readonly read: (start: number, end: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly contentType: string;
}

export type ByteRange = { readonly kind: "whole" } | { readonly kind: "part"; readonly start: number; readonly end: number } | { readonly kind: "impossible" };

/** Answers GET and HEAD with one range, as players ask for it. */
export async function sendVirtual(request: IncomingMessage, response: ServerResponse, file: VirtualFile): Promise<void> {
  // There is no validator that a condition could name.
  const range = request.headers["if-range"] === undefined ? rangeOf(request.headers.range, file.bytes) : ({ kind: "whole" } as const);
  response.setHeader("Accept-Ranges", "bytes");
  if (range.kind === "impossible") {
    response.setHeader("Content-Range", `bytes */${String(file.bytes)}`);
    sendText(response, 416, "The file has no such part.");
    return;
  }
  const { start, end } = range.kind === "part" ? range : { start: 0, end: file.bytes };
  response.statusCode = range.kind === "part" ? 206 : 200;
  if (range.kind === "part") response.setHeader("Content-Range", `bytes ${String(start)}-${String(end - 1)}/${String(file.bytes)}`);
  response.setHeader("Content-Type", file.contentType);
  response.setHeader("Content-Length", end - start);
  response.setHeader("Cache-Control", "private, no-cache");
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    await pipeline(Readable.from(file.read(start, end, gone.signal)), response);
  } catch (error) {
    // A player that seeks hangs up in the middle; a failure cannot be told any more but by an answer that is too short.
    response.destroy();
    if (!gone.signal.aborted && !isAbortError(error)) throw error;
  }
}

/** RFC 9110, 14.1: one range of bytes; what is not understood, several ranges too, is answered with the whole. `end` is exclusive. */
export function rangeOf(header: string | undefined, bytes: number): ByteRange {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec((header ?? "").replaceAll(" ", ""));
  const [first = "", last = ""] = [match?.[1], match?.[2]];
  if (match === null || (first === "" && last === "")) return { kind: "whole" };
  if (first === "") return Number(last) === 0 || bytes === 0 ? { kind: "impossible" } : { kind: "part", start: Math.max(0, bytes - Number(last)), end: bytes };
  if (last !== "" && Number(last) < Number(first)) return { kind: "whole" };
  if (Number(first) >= bytes) return { kind: "impossible" };
  return { kind: "part", start: Number(first), end: last === "" ? bytes : Math.min(bytes, Number(last) + 1) };
}
