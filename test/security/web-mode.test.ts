import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { rawRequest, type RawAnswer } from "./raw-request.ts";

const PROGRAM = join(repositoryRoot, "dist", "server", "main.js");
const PASSWORD = "correct horse battery";
let folder: string;
let running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "avatar-studio-web-"));
  running = [];
});
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  readonly output: string;
  readonly links: readonly string[];
  readonly child: ChildProcess;
}

/** As `npm run serve` starts it: no messages, no JSON. Answers when it has printed its link, or has ended. */
async function serve(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = spawn(process.execPath, [PROGRAM, "--data-dir", folder, ...args], { env: { ...process.env, AVATAR_STUDIO_RUNTIME: "/nowhere", ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  let output = "";
  await new Promise<void>((resolve) => {
    const hear = (text: Buffer): void => {
      output += text.toString();
      if (/\?token=[\w-]{43}\n/.test(output)) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("close", () => resolve());
  });
  return { output, child, links: output.match(/http:\/\/\S+/g) ?? [] };
}

async function occupy(): Promise<readonly [Server, number]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return [server, typeof address === "object" && address !== null ? address.port : 0];
}

const portOf = (link: string | undefined): number => Number(new URL(link ?? "").port);

describe("web mode", () => {
  test("prints a link to copy, on loopback only, and ends cleanly", async () => {
    const { links, output, child } = await serve(["--server-port", "0"]);
    expect(links).toHaveLength(1);
    expect(new URL(links[0] ?? "").hostname).toBe("127.0.0.1");
    expect(output).not.toContain("Careful");
    const exited = once(child, "exit");
    child.kill("SIGINT");
    expect(await exited).toEqual([0, null]);
  });

  test("a port in use is refused, naming who holds it and the next free one; --next-port takes that", async () => {
    const [server, port] = await occupy();
    try {
      const refused = await serve(["--server-port", String(port)]);
      expect(refused.output).toContain("[PORT_IN_USE]");
      expect(refused.output).toContain(`process ${process.pid}`);
      const next = Number(/--server-port (\d+)/.exec(refused.output)?.[1]);
      expect(next).toBeGreaterThan(port);
      const taken = await serve(["--server-port", String(port), "--next-port"]);
      expect(portOf(taken.links[0])).toBeGreaterThan(port);
    } finally {
      server.close();
    }
  });

  test("the network is refused without a password, and a short one is refused", async () => {
    expect((await serve(["--host", "0.0.0.0", "--server-port", "0"])).output).toContain("[PASSWORD_NEEDED]");
    expect((await serve(["--host", "0.0.0.0", "--server-port", "0"], { AVATAR_STUDIO_PASSWORD: "short" })).output).toContain("[PASSWORD_TOO_SHORT]");
    expect((await serve(["--host", "203.0.113.7", "--server-port", "0"], { AVATAR_STUDIO_PASSWORD: PASSWORD })).output).toContain("[ADDRESS_NOT_HERE]");
  });

  test("with a password set: logging in, wrong ones slowed down, the warning about TLS", async () => {
    const set = spawnSync(process.execPath, [PROGRAM, "--set-password", "--data-dir", folder], { env: { ...process.env, AVATAR_STUDIO_PASSWORD: PASSWORD }, encoding: "utf8" });
    expect(set.status).toBe(0);
    expect(readFileSync(join(folder, "password.json"), "utf8")).not.toContain("horse");
    const { links, output } = await serve(["--host", "0.0.0.0", "--server-port", "0"]);
    expect(output).toContain("without TLS");
    const origin = `http://127.0.0.1:${portOf(links[0])}`;
    const host = new URL(origin).host;
    const logIn = (password: string, headers: Record<string, string> = { origin }): Promise<RawAnswer> =>
      rawRequest({ origin }, "/login", { method: "POST", headers: { host, "content-type": "application/x-www-form-urlencoded", ...headers }, body: new URLSearchParams({ password }).toString() });
    expect((await rawRequest({ origin }, "/", { headers: { host } })).body).toContain("/login");
    expect((await rawRequest({ origin }, "/login", { headers: { host } })).body).toContain('type="password"');
    // A page of another site must not be able to log somebody in, or try passwords.
    expect((await logIn(PASSWORD, { origin: "http://evil.example" })).status).toBe(403);
    expect((await logIn(PASSWORD, {})).status).toBe(403);
    const right = await logIn(PASSWORD);
    expect(right.status).toBe(303);
    const cookie = String(right.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
    expect((await rawRequest({ origin }, "/examples/anna/portrait", { headers: { host, cookie } })).status).toBe(200);
    const wrong: number[] = [];
    for (const password of ["", "wrong", "correct horse batterz", "x".repeat(3_000), "__proto__", "again", "and again"]) wrong.push((await logIn(password)).status);
    expect(wrong.slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
    expect(wrong).toContain(429);
    // Also the right one waits now; who is inside stays inside.
    expect((await logIn(PASSWORD)).headers["retry-after"]).toMatch(/^\d+$/);
    expect((await rawRequest({ origin }, "/examples/anna/portrait", { headers: { host, cookie } })).status).toBe(200);
    expect((await rawRequest({ origin }, "/login", { method: "POST", headers: { host, origin }, body: `password=${"x".repeat(100_000)}` }).catch(() => ({ status: 0 }))).status).not.toBe(303);
  });

  test("it ends when the program that waits for its line goes away", async () => {
    const child = spawn(process.execPath, [PROGRAM, "--data-dir", folder, "--server-port", "0", "--ready-json"], { env: { ...process.env, AVATAR_STUDIO_RUNTIME: "/nowhere" }, stdio: ["pipe", "pipe", "pipe"] });
    running.push(child);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    expect(JSON.parse(line.toString())).toMatchObject({ ready: true });
    const exited = once(child, "exit");
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });

  test("what stops the start is told in the same one line of JSON", () => {
    const started = spawnSync(process.execPath, [PROGRAM, "--data-dir", folder, "--server-port", "none", "--ready-json"], { encoding: "utf8" });
    expect(started.status).toBe(1);
    expect(JSON.parse(started.stdout)).toMatchObject({ error: { code: "OPTION_INVALID" } });
  });
});
