import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Fault } from "../../contract/fault.schema.ts";

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", `${text}\n`);
}

export function sendPage(response: ServerResponse, status: number, html: string): void {
  send(response, status, "text/html; charset=utf-8", html);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

export function sendFault(response: ServerResponse, status: number, fault: Fault): void {
  sendJson(response, status, { fault });
}

/** 303, so that what follows is asked for with GET. `location` is a path of ours. */
export function redirect(response: ServerResponse, location: string): void {
  response.setHeader("Location", location);
  send(response, 303, "text/plain; charset=utf-8", "");
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.statusCode = status;
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.setHeader("Cache-Control", "no-store");
  response.end(response.req.method === "HEAD" ? "" : body);
}

/** The whole body as text; null when it is longer than `maximumBytes` or takes longer than `milliseconds`. */
export async function readBody(request: IncomingMessage, maximumBytes: number, milliseconds: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), milliseconds);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maximumBytes) return null;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
