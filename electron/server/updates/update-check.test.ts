import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createUpdateCheck, isNewer } from "./update-check.ts";

const RELEASE = { version: "0.10.0", page: "https://example.org/avatar-studio", sha256: { "a.deb": "0".repeat(64) } };
const silent = { debug: () => undefined, info: () => undefined, warning: () => undefined, error: () => undefined };

let server: Server | null = null;
afterEach(() => server?.close());

async function publish(listener: RequestListener): Promise<{ readonly address: string; readonly requests: () => number }> {
  let requests = 0;
  server = createServer((request, response) => {
    requests += 1;
    listener(request, response);
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/latest.json`, requests: () => requests };
}

const check = (address: string | null, { version = "0.9.2", allowed = true } = {}) => createUpdateCheck({ version, address: () => address, networkAllowed: () => allowed, logger: silent });

describe("the update check", () => {
  it("tells of a newer version, and asks once a run", async () => {
    const { address, requests } = await publish((_, response) => response.end(JSON.stringify(RELEASE)));
    const updates = check(address);
    expect(await updates.newer()).toEqual(RELEASE);
    expect(await updates.newer()).toEqual(RELEASE);
    expect(requests()).toBe(1);
  });

  it("asks nobody unless it was told whom, and only with the network on", async () => {
    const { address, requests } = await publish((_, response) => response.end(JSON.stringify(RELEASE)));
    expect(await check(null).newer()).toBeNull();
    expect(await check(address, { allowed: false }).newer()).toBeNull();
    expect(requests()).toBe(0);
  });

  it("sends nothing that tells who asks", async () => {
    let headers: readonly string[] = [];
    const { address } = await publish((request, response) => {
      headers = Object.keys(request.headers);
      response.end(JSON.stringify(RELEASE));
    });
    await check(address).newer();
    expect(headers.filter((name) => ["cookie", "authorization", "referer", "origin"].includes(name))).toEqual([]);
  });

  it.each([
    ["the same version", JSON.stringify({ ...RELEASE, version: "0.9.2" })],
    ["no JSON", "<html>"],
    ["another form", JSON.stringify({ version: "1.0.0" })],
    ["a page that is none", JSON.stringify({ ...RELEASE, page: "javascript:alert(1)" })],
    ["far too much", JSON.stringify(RELEASE) + " ".repeat(100_000)],
  ])("says nothing for %s", async (_, body) => {
    const { address } = await publish((__, response) => response.end(body));
    expect(await check(address).newer()).toBeNull();
  });

  it("says nothing when nobody answers, or sends elsewhere", async () => {
    const { address } = await publish((_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
    expect(await check(address).newer()).toBeNull();
    expect(await check("http://127.0.0.1:1/latest.json").newer()).toBeNull();
  });
});

describe("versions", () => {
  it("are compared number by number", () => {
    expect(isNewer("0.10.0", "0.9.9")).toBe(true);
    expect(isNewer("1.0.0", "0.99.99")).toBe(true);
    expect(isNewer("0.9.9", "0.10.0")).toBe(false);
    expect(isNewer("0.1.0", "0.1.0")).toBe(false);
    expect(isNewer("9.0.0", "unknown")).toBe(false);
  });
});
