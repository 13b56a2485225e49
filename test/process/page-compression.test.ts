import { readFileSync } from "node:fs";
import { get, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { startStudio, type Studio } from "../support/studio.ts";
import { sessionCookieOf } from "../support/studio-client.ts";

const page = join(repositoryRoot, "dist", "renderer");
let studio: Studio;
let cookie: string;
beforeAll(async () => {
  studio = await startStudio();
  cookie = await sessionCookieOf(studio.link);
});
afterAll(async () => studio.stop());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** As the bytes come over the wire; `fetch` would decode them. */
async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(studio.origin + path, { headers: { cookie, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    }).on("error", reject);
  });
}

const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(readFileSync(join(page, "index.html"), "utf8"))?.[1] ?? "";
const original = readFileSync(join(page, script));

test("scripts come in the best encoding that the browser takes, decode to the file, and say their real type", async () => {
  const [best, second, none, refused] = await Promise.all([ask(script, { "accept-encoding": "gzip, deflate, br, zstd" }), ask(script, { "accept-encoding": "gzip, br;q=0" }), ask(script), ask(script, { "accept-encoding": "identity, *;q=0" })]);
  expect([best, second, none, refused].map(({ status, headers }) => [status, headers["content-encoding"], headers["content-type"], headers.vary, headers["cache-control"]])).toEqual(
    ["br", "gzip", undefined, undefined].map((encoding) => [200, encoding, "text/javascript; charset=utf-8", "Accept-Encoding", "public, max-age=31536000, immutable"]),
  );
  expect(brotliDecompressSync(best.body).equals(original)).toBe(true);
  expect(gunzipSync(second.body).equals(original)).toBe(true);
  expect(none.body.equals(original)).toBe(true);
  expect(best.body.length).toBeLessThan(second.body.length);
  expect(second.body.length).toBeLessThan(original.length / 2);
  expect(Number(best.headers["content-length"])).toBe(best.body.length);
});

test("a part is of the file itself, whatever encodings are taken", async () => {
  const { status, headers, body } = await ask(script, { "accept-encoding": "br", range: "bytes=10-29" });
  expect([status, headers["content-encoding"], headers["content-range"]]).toEqual([206, undefined, `bytes 10-29/${String(original.length)}`]);
  expect(body.equals(original.subarray(10, 30))).toBe(true);
  const { headers: whole } = await ask(script, { "accept-encoding": "br" });
  // The mark of the compressed copy does not stand for the file: the rest of one is never joined to the other.
  const mixed = await ask(script, { "accept-encoding": "br", range: "bytes=10-29", "if-range": whole.etag ?? "" });
  expect(mixed.status).toBe(200);
  expect(mixed.body.equals(original)).toBe(true);
});

test("what has not changed is not sent again, in each encoding for itself", async () => {
  const marks = await Promise.all(["br", "gzip", "identity"].map(async (encoding) => (await ask("/", { "accept-encoding": encoding })).headers.etag ?? ""));
  expect(new Set(marks).size).toBe(3);
  const again = await ask("/", { "accept-encoding": "br", "if-none-match": marks[0] ?? "" });
  expect([again.status, again.body.length, again.headers.vary]).toEqual([304, 0, "Accept-Encoding"]);
});
