import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { bareConnection, bareExchange, expectNothingLeaked, rawRequest } from "./raw-request.ts";

let studio: Studio;
let client: StudioClient;
let heads: string;
beforeAll(async () => {
  studio = await startStudio();
  client = await connectTo(studio.link);
  heads = `Host: ${new URL(studio.origin).host}\r\nOrigin: ${studio.origin}\r\nCookie: ${client.cookie}\r\n`;
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

const uploads = (): string[] => readdirSync(join(studio.dataFolder, "uploads"));
const isAlive = async (): Promise<void> => expect((await client.rpc.system.info()).mode).toBe("desktop");

describe("uploads", () => {
  test("one that announces too much is refused before it is sent", async () => {
    for (const length of ["5000000000", "99999999999999"]) {
      const answer = await bareExchange(studio, `PUT /upload?name=big.wav HTTP/1.1\r\n${heads}Content-Length: ${length}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain("FILE_TOO_LARGE");
      expectNothingLeaked(answer, studio);
    }
    expect(uploads()).toEqual([]);
  });

  test("lengths that are none are refused", async () => {
    for (const head of ["Content-Length: -1", "Content-Length: abc", "Content-Length: 1\r\nContent-Length: 2", "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip"]) {
      expect(await bareExchange(studio, `PUT /upload?name=x HTTP/1.1\r\n${heads}${head}\r\n\r\nhello`)).toMatch(/^HTTP\/1\.1 (4|5)\d\d /);
    }
    await isAlive();
  });

  test("what a broken connection has sent is removed", async () => {
    const socket = bareConnection(studio);
    socket.on("error", () => undefined);
    socket.write(`PUT /upload?name=half.wav HTTP/1.1\r\n${heads}Content-Length: 1000000\r\n\r\n${"x".repeat(500_000)}`);
    await expect.poll(uploads).toHaveLength(1);
    socket.destroy();
    await expect.poll(uploads).toEqual([]);
  });

  test("more at once than allowed are refused; the others go on", async () => {
    const sockets = Array.from({ length: 4 }, () => bareConnection(studio));
    for (const socket of sockets) {
      socket.on("error", () => undefined);
      socket.write(`PUT /upload?name=slow.wav HTTP/1.1\r\n${heads}Content-Length: 1000\r\n\r\nx`);
    }
    await expect.poll(uploads).toHaveLength(4);
    expect(await bareExchange(studio, `PUT /upload?name=fifth.wav HTTP/1.1\r\n${heads}Content-Length: 1000\r\n\r\nx`)).toMatch(/^HTTP\/1\.1 429 [^]*TOO_MANY_UPLOADS/);
    const [first, ...rest] = sockets;
    first?.write("x".repeat(999));
    const [answer] = (await once(first!, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 201 /);
    for (const socket of [first, ...rest]) socket?.destroy();
    await expect.poll(uploads).toHaveLength(1);
  });

  test("one that stops arriving is ended, and so is a request that never finishes its head", async () => {
    const stalled = bareExchange(studio, `PUT /upload?name=stalled.wav HTTP/1.1\r\n${heads}Content-Length: 1000\r\n\r\nx`);
    const headless = bareExchange(studio, `GET / HTTP/1.1\r\n${heads}X-Slow: `);
    const silent = bareExchange(studio, "");
    expect(await stalled).toMatch(/^HTTP\/1\.1 408 [^]*UPLOAD_TOO_SLOW/);
    expect(await headless).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect(await silent).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    await isAlive();
  });

  test("names are never paths", async () => {
    for (const name of ["../../../x.png", "/etc/passwd", "..", "", "a\0b", "\u202egnp.exe", "x".repeat(3_000)]) {
      const response = await client.fetch(`/upload?name=${encodeURIComponent(name)}`, { method: "PUT", body: "x" });
      expect(response.status).toBe(201);
      const answer = (await response.json()) as { uploadId: string; name: string };
      expect(answer.uploadId).toMatch(/^[0-9a-f]{32}$/);
      expect(answer.name).toMatch(/^[^/\\\0\u202e]{1,200}$/);
    }
    expect(uploads().every((name) => /^[0-9a-f]{32}$/.test(name))).toBe(true);
  });
});

test("malformed HTTP is refused and the server goes on", async () => {
  const requests = ["\r\n\r\n", "GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00", `GET / HTTP/1.1\r\n${"X-A: b\r\n".repeat(5_000)}\r\n`, `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"];
  for (const request of requests) {
    const answer = await bareExchange(studio, request);
    expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expectNothingLeaked(answer, studio);
  }
  expect((await rawRequest(studio, "/examples/anna/portrait", { headers: { host: new URL(studio.origin).host, cookie: client.cookie } })).status).toBe(200);
});
