import { realpath } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { basename, dirname, sep } from "node:path";
import sendStream from "send";
import { sendText } from "./respond.ts";

/** A file to answer with. It must lie, links resolved, in `root`. */
export interface FileAnswer {
  readonly path: string;
  readonly root: string;
  /** Otherwise from the name's ending. */
  readonly contentType?: string;
  /** `forever` for addresses whose content never changes. */
  readonly cache: "forever" | "revalidate" | "never";
  /** The same may lie beside it as `.br` and `.gz`. Needs `contentType`. */
  readonly compressed?: boolean;
  /** Saved under this name by the browser instead of shown. */
  readonly downloadName?: string;
}

const YEAR_MILLISECONDS = 365 * 24 * 60 * 60 * 1000;

/** Answers GET and HEAD with ranges (206, 416) and conditions (304, If-Range). Anything outside the root looks as if it were not there. */
export async function sendFile(request: IncomingMessage, response: ServerResponse, answer: FileAnswer): Promise<void> {
  const encoded = answer.compressed === true ? await findEncoded(request, answer) : null;
  const real = encoded?.path ?? (await realPathWithin(answer.root, answer.path));
  if (real === null) {
    sendText(response, 404, "There is no such file.");
    return;
  }
  if (answer.contentType !== undefined) response.setHeader("Content-Type", answer.contentType);
  if (answer.compressed === true) response.setHeader("Vary", "Accept-Encoding");
  if (encoded !== null) response.setHeader("Content-Encoding", encoded.name);
  if (answer.downloadName !== undefined) response.setHeader("Content-Disposition", attachment(answer.downloadName));
  const caching = answer.cache === "forever" ? { immutable: true, maxAge: YEAR_MILLISECONDS } : { cacheControl: false };
  if (answer.cache !== "forever") response.setHeader("Cache-Control", answer.cache === "never" ? "no-store" : "private, no-cache");
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    sendStream(request, `/${encodeURIComponent(basename(real))}`, { root: dirname(real), dotfiles: "allow", index: false, ...caching })
      .on("error", (error: { readonly status?: number }) => {
        response.removeHeader("Cache-Control");
        response.removeHeader("Content-Disposition");
        response.removeHeader("Content-Encoding");
        if (error.status === 416) sendText(response, 416, "The file has no such part.");
        else sendText(response, error.status === 400 ? 400 : 404, "There is no such file.");
      })
      .on("directory", () => sendText(response, 404, "There is no such file."))
      .pipe(response);
  });
}

/** In the order of their use: the smaller one first. */
const ENCODINGS = [
  { name: "br", ending: ".br" },
  { name: "gzip", ending: ".gz" },
] as const;

/** The compressed copy that this request may be answered with. Who asks for a part means the file itself. */
async function findEncoded(request: IncomingMessage, { root, path }: FileAnswer): Promise<{ readonly path: string; readonly name: string } | null> {
  if (request.headers.range !== undefined) return null;
  const accepted = acceptedEncodings(request.headers["accept-encoding"]);
  for (const { name, ending } of ENCODINGS) {
    const real = accepted(name) ? await realPathWithin(root, path + ending) : null;
    if (real !== null) return { path: real, name };
  }
  return null;
}

/** What an `Accept-Encoding` header allows (RFC 9110, 12.5.3). */
export function acceptedEncodings(header: string | string[] | undefined): (name: string) => boolean {
  const weights = new Map<string, number>();
  for (const part of String(header ?? "").toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  return (name) => (weights.get(name) ?? weights.get("*") ?? 0) > 0;
}

/** The file's path without links, when it lies in the folder `root`; otherwise null. */
export async function realPathWithin(root: string, path: string): Promise<string | null> {
  try {
    const [realRoot, real] = await Promise.all([realpath(root), realpath(path)]);
    return real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep) ? real : null;
  } catch {
    return null;
  }
}

/** RFC 6266: a plain name for old programs, the real one beside it. */
export function attachment(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, "_");
  const full = encodeURIComponent(name).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${full}`;
}
