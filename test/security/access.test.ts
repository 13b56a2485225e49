import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, sessionCookieOf, type StudioClient } from "../support/studio-client.ts";
import { bareExchange, expectNothingLeaked, rawRequest, upgradeStatus } from "./raw-request.ts";

let studio: Studio;
let client: StudioClient;
let host: string;
let inside: Record<string, string>;
beforeAll(async () => {
  studio = await startStudio();
  client = await connectTo(studio.link);
  host = new URL(studio.origin).host;
  inside = { cookie: client.cookie, origin: studio.origin };
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

const ROUTES = ["/", "/index.html", "/files/x/media/y", "/examples/anna/portrait", "/downloads/x/y", "/nothing"];

describe("wrong Host", () => {
  const wrong = ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:7860", "[::1]", "0.0.0.0:7860", " "];
  test.each(wrong)("%j is refused on every address, also with the cookie", async (name) => {
    for (const path of ROUTES) {
      const answer = await rawRequest(studio, path, { headers: { host: name, cookie: client.cookie } });
      expect(answer.status).toBe(421);
      expectNothingLeaked(answer.body, studio);
    }
    expect(await upgradeStatus(studio, { ...inside, host: name })).toBe(421);
  });

  test("a request without a host is refused", async () => {
    for (const request of ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"]) {
      const answer = await bareExchange(studio, request);
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
      expectNothingLeaked(answer, studio);
    }
  });

  test("with a rebound name as Host and Origin alike", async () => {
    const name = host.replace("127.0.0.1", "rebound.example");
    expect((await rawRequest(studio, "/", { headers: { host: name, origin: `http://${name}`, cookie: client.cookie } })).status).toBe(421);
    expect(await upgradeStatus(studio, { cookie: client.cookie, host: name, origin: `http://${name}` })).toBe(421);
  });

  test("localhost and the IPv6 loopback are ours", async () => {
    const port = new URL(studio.origin).port;
    for (const name of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      expect((await rawRequest(studio, "/examples/anna/portrait", { headers: { host: name, cookie: client.cookie } })).status).toBe(200);
    }
  });
});

describe("wrong Origin", () => {
  const wrong = ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "http://localhost.evil.example"];
  test.each(wrong)("%j is refused for reading, sending and sockets", async (origin) => {
    const headers = { host, cookie: client.cookie, origin };
    expect((await rawRequest(studio, "/examples/anna/portrait", { headers })).status).toBe(403);
    expect((await rawRequest(studio, "/upload?name=a.png", { method: "PUT", headers, body: "x" })).status).toBe(403);
    expect(await upgradeStatus(studio, headers)).toBe(403);
  });

  test("an upgrade or an upload that names no origin is refused", async () => {
    expect(await upgradeStatus(studio, { host, cookie: client.cookie })).toBe(403);
    expect((await rawRequest(studio, "/upload?name=a.png", { method: "PUT", headers: { host, cookie: client.cookie }, body: "x" })).status).toBe(403);
  });

  test("the page's own origin is served", async () => {
    expect(await upgradeStatus(studio, { host, ...inside })).toBe(101);
  });
});

describe("no session", () => {
  const cookies = ["", "avatar_studio_1=x", "made-up"];
  test.each(cookies)("cookie %j opens nothing", async (cookie) => {
    for (const path of ROUTES) {
      const answer = await rawRequest(studio, path, { headers: { host, cookie } });
      expect(answer.status).toBe(401);
      expectNothingLeaked(answer.body, studio);
    }
    expect((await rawRequest(studio, "/upload?name=a.png", { method: "PUT", headers: { host, cookie, origin: studio.origin }, body: "x" })).status).toBe(401);
    expect(await upgradeStatus(studio, { host, cookie, origin: studio.origin })).toBe(401);
  });

  test("a session id that is almost right opens nothing", async () => {
    const [name, id = ""] = client.cookie.split("=");
    const wrong = `${String(name)}=${id.slice(0, -2)}${id.endsWith("AA") ? "BB" : "AA"}`;
    expect((await rawRequest(studio, "/examples/anna/portrait", { headers: { host, cookie: wrong } })).status).toBe(401);
  });
});

describe("one-time links", () => {
  test("a link opens once; used again it gives a page that says how to get a new one", async () => {
    const link = await studio.newLink();
    const { pathname, search } = new URL(link);
    const first = await rawRequest(studio, pathname + search, { headers: { host } });
    expect(first.status).toBe(303);
    expect(first.headers.location).toBe("/");
    const second = await rawRequest(studio, pathname + search, { headers: { host } });
    expect(second.status).toBe(401);
    expect(second.headers["set-cookie"]).toBeUndefined();
    expect(second.body).toContain("new link");
    const chinese = await rawRequest(studio, pathname + search, { headers: { host, "accept-language": "zh-CN,zh;q=0.9,en;q=0.8" } });
    expect(chinese.body).toContain("新链接");
  });

  test("made-up tokens open nothing, and nothing of them comes back", async () => {
    for (const token of ["", "x", "%3Cscript%3E", "a".repeat(3_000), "__proto__"]) {
      const answer = await rawRequest(studio, `/?token=${token}`, { headers: { host } });
      expect(answer.status).toBe(401);
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect(answer.body).not.toContain("<script>");
    }
  });

  test("a token of an earlier start opens nothing, but the cookie still does", async () => {
    const first = await startStudio();
    const unused = new URL(await first.newLink());
    const cookie = await sessionCookieOf(first.link);
    const { port } = new URL(first.origin);
    await first.kill();
    const second = await startStudio({ dataFolder: first.dataFolder, arguments: ["--server-port", port] });
    try {
      expect((await rawRequest(second, unused.pathname + unused.search, { headers: { host: new URL(second.origin).host } })).status).toBe(401);
      // A page that was open when the server died goes on, if it got its port back.
      if (second.origin === first.origin) expect((await rawRequest(second, "/examples/anna/portrait", { headers: { host: new URL(second.origin).host, cookie } })).status).toBe(200);
    } finally {
      await second.stop();
      await first.clean();
    }
  });

  test("the cookie is kept from scripts and other sites", async () => {
    const { pathname, search } = new URL(await studio.newLink());
    const [cookie = ""] = (await rawRequest(studio, pathname + search, { headers: { host } })).headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    expect(cookie).not.toMatch(/Domain=/i);
    expect(cookie.split("=")[1]?.length).toBeGreaterThan(40);
  });
});

describe("headers", () => {
  test("every answer forbids inline script, framing and sniffing, and tells nobody where it came from", async () => {
    for (const path of ["/", "/?token=x", "/examples/anna/portrait", "/nothing"]) {
      const { headers } = await rawRequest(studio, path, { headers: { host, ...inside } });
      const policy = String(headers["content-security-policy"]);
      expect(policy).toContain("default-src 'none'");
      const scripts = policy.split("; ").find((part) => part.startsWith("script-src")) ?? "";
      expect(scripts).not.toMatch(/unsafe|\*|data:|blob:|http/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin" });
      expect(headers).not.toHaveProperty("access-control-allow-origin");
      expect(headers).not.toHaveProperty("server");
      expect(headers).not.toHaveProperty("x-powered-by");
    }
  });

  test("methods that are not served are refused", async () => {
    for (const method of ["DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]) {
      expect((await rawRequest(studio, "/", { method, headers: { host, ...inside } })).status).toBe(405);
    }
    expect((await rawRequest(studio, "/", { method: "POST", headers: { host, ...inside } })).status).toBe(405);
  });
});

test("a second server on the same data folder is refused, naming the first", async () => {
  await expect(startStudio({ dataFolder: studio.dataFolder })).rejects.toThrow(new RegExp(`DATA_FOLDER_IN_USE.*process ${String(studio.pid)}`));
  expect((await client.rpc.system.info()).dataFolder).toBe(studio.dataFolder);
});
