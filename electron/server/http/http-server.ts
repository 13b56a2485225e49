import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Duplex } from "node:stream";
import { faultOf } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { readCookie, sessionCookie } from "./cookies.ts";
import { loginPage, notBuiltPage, onceMorePage, preferredLanguage, refusedPage, type LoginNotice } from "./pages.ts";
import { type PageFiles } from "./page-files.ts";
import { type Hosts, judgeRequest } from "./request-guard.ts";
import { readBody, redirect, sendFault, sendPage, sendText } from "./respond.ts";
import { securityHeaders } from "./security-headers.ts";
import { type FileAnswer, sendFile } from "./send-file.ts";
import { sendVirtual, type VirtualFile } from "./send-virtual.ts";
import { type Uploads } from "./uploads.ts";

/** What decides who is let in. */
export interface Gate {
  readonly enterWithToken: (token: string) => Promise<string | null>;
  readonly enterWithPassword: (password: string, address: string) => Promise<{ readonly kind: "inside"; readonly sessionId: string } | { readonly kind: "wrong" } | { readonly kind: "wait"; readonly seconds: number }>;
  readonly isInside: (sessionId: string | null) => boolean;
  readonly hasPassword: boolean;
  readonly sessionSeconds: number;
}

/** A file, bytes made for this request, or a file that is made while it is read. */
export type Answer =
  | ({ readonly kind: "file" } & FileAnswer)
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly contentType: string; readonly cache: "forever" | "revalidate" | "never" }
  | ({ readonly kind: "virtual" } & VirtualFile);

/** Finds what an address below `/files/`, `/examples/`, `/downloads/` or `/licences/` stands for; `parts` are its decoded parts. Null: nothing. Aborted when nobody waits any more. */
export type FileFinder = (parts: readonly string[], signal: AbortSignal) => Promise<Answer | null>;

export interface HttpDependencies {
  readonly hosts: () => Hosts;
  readonly cookieName: () => string;
  readonly gate: Gate;
  readonly page: PageFiles;
  readonly uploads: Uploads;
  readonly files: FileFinder;
  /** A WebSocket on `/rpc` of somebody who is inside. */
  readonly onSocket: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly logger: Logger;
}

const LONGEST_LOGIN_BYTES = 8_192;

/** The server, not yet listening. */
export function createHttpServer(dependencies: HttpDependencies): Server {
  const { gate, logger } = dependencies;
  const inside = (request: IncomingMessage): boolean => gate.isInside(readCookie(request.headers.cookie, dependencies.cookieName()));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const verdict = judgeRequest(request, dependencies.hosts(), false);
    if (verdict.kind === "refused") {
      // What it still sends belongs to nobody.
      response.setHeader("Connection", "close");
      sendText(response, verdict.status, verdict.text);
      return;
    }
    const url = new URL(request.url ?? "/", "http://studio.invalid");
    const isFile = /^\/(files|examples|downloads|licences)\//.test(url.pathname);
    for (const [name, value] of Object.entries(securityHeaders(request.headers.host ?? "", isFile ? "file" : "page"))) response.setHeader(name, value);
    if (url.pathname === "/login") return login(request, response);
    const token = url.pathname === "/" && isReading(request) ? url.searchParams.get("token") : null;
    if (token !== null) return enter(request, response, token);
    if (!inside(request)) {
      refuse(request, response, url.pathname);
      return;
    }
    if (url.pathname === "/upload" && request.method === "PUT") return dependencies.uploads.receive(request, response, url.searchParams.get("name") ?? "");
    if (!isReading(request)) {
      response.setHeader("Connection", "close");
      sendText(response, 405, "This method is not served here.");
      return;
    }
    if (isFile) return sendFound(request, response, url.pathname);
    const page = dependencies.page.find(url.pathname);
    if (page === null) sendText(response, 404, "There is no such page.");
    else if (url.pathname === "/" && !existsSync(page.path)) sendPage(response, 503, notBuiltPage(languageOf(request)));
    else await sendFile(request, response, page);
  }

  async function enter(request: IncomingMessage, response: ServerResponse, token: string): Promise<void> {
    const sessionId = await gate.enterWithToken(token);
    if (sessionId !== null) openSession(request, response, sessionId);
    // The link again, by the back button or a reload, from a browser that is inside already.
    else if (inside(request)) redirect(response, "/");
    else sendPage(response, 401, refusedPage(languageOf(request), "token", gate.hasPassword));
  }

  function openSession(request: IncomingMessage, response: ServerResponse, sessionId: string): void {
    const secure = request.headers.origin?.startsWith("https:") === true;
    response.setHeader("Set-Cookie", sessionCookie(dependencies.cookieName(), sessionId, gate.sessionSeconds, secure));
    redirect(response, "/");
  }

  function refuse(request: IncomingMessage, response: ServerResponse, path: string): void {
    response.setHeader("Connection", "close");
    const asksForPage = isReading(request) && path === "/";
    if (asksForPage && request.headers["sec-fetch-site"] === "cross-site") sendPage(response, 200, onceMorePage(languageOf(request)));
    else if (asksForPage) sendPage(response, 401, refusedPage(languageOf(request), "session", gate.hasPassword));
    else sendFault(response, 401, { code: "NO_SESSION", what: "The studio is closed to this browser.", why: "The session's cookie is missing or too old.", hint: "Open the studio with a new link.", field: null });
  }

  async function login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!gate.hasPassword) {
      sendText(response, 404, "There is no such page.");
      return;
    }
    const show = (status: number, notice: LoginNotice): void => sendPage(response, status, loginPage(languageOf(request), notice));
    if (isReading(request)) {
      show(200, { kind: "none" });
      return;
    }
    const body = await readBody(request, LONGEST_LOGIN_BYTES, 10_000);
    if (body === null || request.method !== "POST") {
      response.destroy();
      return;
    }
    const outcome = await gate.enterWithPassword(new URLSearchParams(body).get("password") ?? "", request.socket.remoteAddress ?? "");
    switch (outcome.kind) {
      case "inside":
        openSession(request, response, outcome.sessionId);
        return;
      case "wrong":
        show(401, { kind: "wrong" });
        return;
      case "wait":
        response.setHeader("Retry-After", outcome.seconds);
        show(429, outcome);
    }
  }

  async function sendFound(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const parts = decodedParts(path);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const found = parts === null ? null : await dependencies.files(parts, gone.signal);
    if (found === null) sendFault(response, 404, { code: "NO_SUCH_FILE", what: "There is no such file.", why: "It was removed, or never was there.", hint: "Reload the page.", field: null });
    else if (found.kind === "file") await sendFile(request, response, found);
    else if (found.kind === "virtual") await sendVirtual(request, response, found);
    else sendBytes(request, response, found);
  }

  const server = createServer({ maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 0, connectionsCheckingInterval: 2_000, keepAliveTimeout: 10_000, noDelay: true }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      const fault = faultOf(error);
      if (fault.code === "INTERNAL_ERROR") logger.error("a request failed", { error });
      sendFault(response, statusOf(error), fault);
    });
  });
  server.maxConnections = 512;
  // Who stops reading an answer holds a place for so long; browsers ask again for the rest of a video.
  server.timeout = 5 * 60_000;
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const verdict = judgeRequest(request, dependencies.hosts(), true);
    const status = verdict.kind === "refused" ? verdict.status : !inside(request) ? 401 : new URL(request.url ?? "/", "http://studio.invalid").pathname !== "/rpc" ? 404 : null;
    if (status === null) dependencies.onSocket(request, socket, head);
    else socket.end(`HTTP/1.1 ${String(status)} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // Browsers open connections before they need them. Only "408" makes them send again what they sent on one that had just become too old.
    const status = error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "408 Request Timeout" : "400 Bad Request";
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  });
  return server;
}

function isReading(request: IncomingMessage): boolean {
  return request.method === "GET" || request.method === "HEAD";
}

function languageOf(request: IncomingMessage): "en" | "zh" {
  return preferredLanguage(request.headers["accept-language"]);
}

/** The parts of a path; null when it cannot be decoded. A part is an id, never a path: finders look ids up, they do not join them. */
function decodedParts(path: string): readonly string[] | null {
  try {
    return path.slice(1).split("/").map(decodeURIComponent);
  } catch {
    return null;
  }
}

function sendBytes(request: IncomingMessage, response: ServerResponse, answer: Extract<Answer, { kind: "bytes" }>): void {
  response.statusCode = 200;
  response.setHeader("Content-Type", answer.contentType);
  response.setHeader("Content-Length", answer.bytes.byteLength);
  response.setHeader("Cache-Control", answer.cache === "forever" ? "private, max-age=31536000, immutable" : answer.cache === "never" ? "no-store" : "private, no-cache");
  response.end(request.method === "HEAD" ? undefined : answer.bytes);
}

function statusOf(error: unknown): number {
  const { code } = faultOf(error);
  if (code === "INTERNAL_ERROR") return 500;
  return code === "DISK_FULL" ? 507 : 409;
}
