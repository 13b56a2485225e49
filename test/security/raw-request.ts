import { type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import type { Studio } from "../support/studio.ts";

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request exactly as given: `fetch` would tidy up the path and forbid the Host header. */
export function rawRequest(studio: Pick<Studio, "origin">, path: string, options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}): Promise<RawAnswer> {
  const { hostname, port } = new URL(studio.origin);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method: options.method ?? "GET", headers: { ...options.headers }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString("utf8") }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(options.body);
  });
}

/** Asks for a WebSocket; answers the status, 101 when it was granted. */
export function upgradeStatus(studio: Pick<Studio, "origin">, headers: Readonly<Record<string, string>>, path = "/rpc"): Promise<number> {
  const { hostname, port } = new URL(studio.origin);
  return new Promise((resolve, reject) => {
    const sent = request({
      hostname,
      port,
      path,
      agent: false,
      headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", ...headers },
    });
    sent.on("upgrade", (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** A bare connection, for those who do not speak HTTP well. */
export function bareConnection(studio: Pick<Studio, "origin">): Socket {
  const { hostname, port } = new URL(studio.origin);
  return connect(Number(port), hostname);
}

/** Sends bytes and answers everything that comes back until the server closes the connection. */
export function bareExchange(studio: Pick<Studio, "origin">, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = bareConnection(studio);
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
    socket.on("error", () => undefined).on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

/** Nothing of the server's inside may be in an answer: no stack, no source file, no path of its machine. */
export function expectNothingLeaked(text: string, studio: Pick<Studio, "dataFolder">): void {
  expect(text).not.toMatch(/\bat .+:\d+:\d+|node:internal|node_modules|\.(ts|js|mjs):\d+|ENOENT|EACCES|Error:/);
  expect(text).not.toContain(studio.dataFolder);
  expect(text).not.toContain(process.cwd());
}
