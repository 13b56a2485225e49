import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { shellQuote } from "./environment.mjs";
import { findPython } from "./find-python.mjs";
import { cleanEnvironment, runLines } from "./run-command.mjs";

const WHEEL = "pip-1.0-py3-none-any.whl";
const CONTENT = Buffer.from("the wheel's bytes");
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const script = join(dirname(fileURLToPath(import.meta.url)), "download_pip.py");
const python = findPython().executable;

/** @type {string[]} */
const requests = [];
const server = createServer((request, response) => {
  requests.push(`${request.url} ${request.headers.authorization ?? ""}`.trim());
  if (request.url === "/simple/pip/") response.end(`<a href="../../files/${WHEEL}#sha256=0">${WHEEL}</a><a href="../other.whl">x</a>`);
  else if (request.url === `/files/${WHEEL}`) response.end(CONTENT);
  else response.writeHead(404).end();
});
let address = "";
let folder = "";

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  address = `127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-download-"));
});

after(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * @param {Record<string, string>} environment
 * @param {string} sha256
 */
async function download(environment, sha256 = SHA256) {
  const target = mkdtempSync(join(folder, "target-"));
  /** @type {string[]} */
  const lines = [];
  const env = { PATH: process.env.PATH, HOME: folder, NO_PROXY: "127.0.0.1", ...environment };
  const status = await runLines(python, ["-B", script, "1.0", sha256, target], { env, onLine: (line) => lines.push(line) });
  return { status, text: lines.join("\n"), target };
}

test("pip's wheel comes from the configured index, with its user name and password", async () => {
  const { status, text, target } = await download({ PIP_INDEX_URL: `http://me:s%40crt@${address}/simple` });
  assert.equal(status, 0, text);
  assert.deepEqual(readFileSync(join(target, WHEEL)), CONTENT);
  assert.ok(requests.includes(`/simple/pip/ Basic ${Buffer.from("me:s@crt").toString("base64")}`));
});

test("the index of a pip configuration file is used", async () => {
  const file = join(folder, "pip.conf");
  writeFileSync(file, `[global]\nindex-url = http://${address}/simple/\n`);
  assert.equal((await download({ PIP_CONFIG_FILE: file })).status, 0);
});

test("a local wheel folder is enough", async () => {
  const wheels = join(folder, "wheels");
  mkdirSync(wheels);
  writeFileSync(join(wheels, WHEEL), CONTENT);
  assert.equal((await download({ PIP_FIND_LINKS: wheels, PIP_INDEX_URL: `http://${address}/nowhere` })).status, 0);
});

test("a file with another hash is refused", async () => {
  const { status, text } = await download({ PIP_INDEX_URL: `http://${address}/simple` }, "0".repeat(64));
  assert.equal(status, 1);
  assert.match(text, /damaged or not the published one/);
});

test("an index that does not answer ends with a sentence", async () => {
  const { status, text } = await download({ PIP_INDEX_URL: `http://${address}/nowhere` });
  assert.equal(status, 1);
  assert.match(text, /could not be downloaded from the configured package index/);
});

test("a path with spaces, quotes and other scripts survives the shell", () => {
  for (const path of ["/plain", "/my folder/it's", "/数字人/$HOME `x`"]) {
    assert.equal(spawnSync("/bin/sh", ["-c", `printf %s ${shellQuote(path)}`], { encoding: "utf8" }).stdout, path);
  }
});

test("what misdirects Python or pip is dropped, proxies and indexes stay", () => {
  const kept = cleanEnvironment({ PYTHONPATH: "/x", PIP_TARGET: "/y", VIRTUAL_ENV: "/z", HTTPS_PROXY: "http://p", PIP_INDEX_URL: "http://i", SSL_CERT_FILE: "/c" });
  assert.ok(!("PYTHONPATH" in kept) && !("PIP_TARGET" in kept) && !("VIRTUAL_ENV" in kept));
  assert.equal(kept.HTTPS_PROXY, "http://p");
  assert.equal(kept.PIP_INDEX_URL, "http://i");
  assert.equal(kept.SSL_CERT_FILE, "/c");
});
