import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, openSocket, type StudioClient } from "../support/studio-client.ts";
import { expectNothingLeaked } from "./raw-request.ts";

let studio: Studio;
let client: StudioClient;
beforeAll(async () => {
  // Offline: one of the operations is a download.
  studio = await startStudio({ arguments: ["--offline"] });
  client = await connectTo(studio.link);
  await client.rpc.projects.create({ name: "Fuzz", example: null });
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

/** The same numbers every time, so that a failure can be repeated (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const OPERATIONS = [
  "system/info", "system/worker", "system/setupChecks", "system/fix", "hardware/watch", "hardware/loadHistory", "settings/get", "settings/change", "settings/watch", "projects/list", "projects/examples", "projects/create",
  "projects/open", "projects/save", "projects/flush", "projects/watch", "projects/rename", "projects/duplicate", "projects/remove", "projects/restore", "projects/collect", "projects/reveal", "media/import", "media/locate",
  "media/check", "media/checkPrompt", "render/estimate", "render/presets", "jobs/watch", "jobs/render", "jobs/export", "jobs/pause", "jobs/resume", "jobs/cancel", "jobs/retry", "jobs/forget", "jobs/move", "jobs/log",
  "jobs/reveal", "jobs/resultUrl", "runtime/watch", "runtime/search", "runtime/add", "runtime/install", "runtime/installFrom", "runtime/cancel", "runtime/goBack", "runtime/verify", "models/list", "models/watch", "models/verify", "models/addFolder", "models/removeFolder", "models/rename", "models/store", "models/chooseStore", "models/source", "models/import", "models/download", "models/mend", "models/pause", "models/resume", "models/leave", "models/removal", "models/remove", "models/abilities", "diagnostics/report", "diagnostics/troubles", "diagnostics/help",
  "__proto__", "constructor/prototype", "toString", "system", "", "projects/__proto__", "../../etc/passwd",
];
const FIELDS = ["projectId", "jobId", "mediaId", "kind", "handle", "source", "target", "document", "baseRevision", "windowId", "name", "example", "quality", "scope", "request", "checkId", "text", "__proto__", "constructor", "toJSON", "version"];

function fuzzMessages(count: number): (string | Buffer)[] {
  const random = randomNumbers(20_261_122);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const value = (depth: number): unknown => {
    switch (Math.floor(random() * (depth > 3 ? 8 : 10))) {
      case 0: return null;
      case 1: return random() < 0.5;
      case 2: return Math.floor(random() * 2 ** 40) - 2 ** 39;
      case 3: return random() * 1e308;
      case 4: return pick(["id", "final", "preview", "all", "upload", "handle", "download", "mp4", "../../etc/passwd", "/etc/passwd", "\0", "𝕏".repeat(20), "x".repeat(2_000), "<script>", "${7*7}", "%00"]);
      case 5: return "";
      case 6: return pick([-1, 0, 1, 2 ** 53, -0.5]);
      case 7: return [];
      case 8: return Array.from({ length: Math.floor(random() * 6) }, () => value(depth + 1));
      default: return Object.fromEntries(Array.from({ length: Math.floor(random() * 6) }, () => [pick(FIELDS), value(depth + 1)]));
    }
  };
  const call = (): Record<string, unknown> => ({
    i: pick<unknown>([`${Math.floor(random() * 1e6)}`, `${Math.floor(random() * 1e6)}`, 7, null, {}, "__proto__"]),
    ...(random() < 0.2 ? { t: pick<unknown>([1, 2, 3, 4, 5, "x", null]) } : {}),
    p: random() < 0.9 ? { u: random() < 0.9 ? `/${pick(OPERATIONS)}` : value(0), b: random() < 0.8 ? { json: value(0), ...(random() < 0.3 ? { meta: [[pick([0, 1, 2, 3, 4, 5, 6, 9]), pick(FIELDS), "x"]] } : {}) } : value(0), ...(random() < 0.2 ? { m: pick(["GET", "POST", "x"]), h: value(0) } : {}) } : value(0),
  });
  return Array.from({ length: count }, () => {
    const kind = random();
    if (kind < 0.75) return JSON.stringify(call());
    const text = JSON.stringify(call());
    if (kind < 0.85) return text.slice(0, Math.floor(random() * text.length));
    if (kind < 0.9) return Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)));
    if (kind < 0.95) return text.replace(/[a-z]/, () => String.fromCharCode(Math.floor(random() * 65_536)));
    return pick(["", "null", "[]", "{}", "[[[[", '"', "NaN", "[".repeat(5_000), `{"i":"1","p":{"u":"/settings/change","b":{"json":{"__proto__":{"polluted":true}}}}}`]);
  });
}

/** Fewer than the malformed messages after which a connection is closed: so every one is read. */
const PER_CONNECTION = 40;

/** Sends everything; answers all that came back. */
async function sendAll(messages: readonly (string | Buffer)[]): Promise<string> {
  const answers: string[] = [];
  for (let start = 0; start < messages.length; start += PER_CONNECTION) {
    const socket = await openSocket(studio.origin, client.cookie);
    const settled = new Promise<void>((resolve, reject) => {
      socket.on("message", (data: Buffer) => {
        const text = data.toString("utf8");
        answers.push(text);
        if (text.includes('"i":"the last one"')) resolve();
      });
      socket.on("close", (code) => reject(new Error(`The connection was closed with ${String(code)}.`)));
    });
    for (const message of messages.slice(start, start + PER_CONNECTION)) socket.send(message);
    socket.send(JSON.stringify({ i: "the last one", p: { u: "/settings/get", b: {} } }));
    await settled;
    socket.terminate();
  }
  return answers.join("\n");
}

describe("messages that no page would send", () => {
  test("10,000 fuzzed ones: all refused or answered, nothing leaked, the server alive and unchanged", async () => {
    const settings = await client.rpc.settings.get();
    const answers = await sendAll(fuzzMessages(10_000));
    expect(answers.length).toBeGreaterThan(100_000);
    // Answers may tell folders of projects to those who are inside; code and stacks never.
    expect(answers).not.toMatch(/node:internal|node_modules|\.(ts|mjs|js):\d+|    at /);
    expect(answers).not.toContain("INTERNAL_ERROR");
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect({ ...(await client.rpc.settings.get()) }).toMatchObject({ version: settings.version, defaultModelId: settings.defaultModelId });
    expect((await client.rpc.projects.list()).length).toBeGreaterThan(0);
    expect(studio.output()).not.toMatch(/Error|at .+:\d+:\d+/);
  });

  test("malformed JSON is refused; too much of it closes the connection", async () => {
    const socket = await openSocket(studio.origin, client.cookie);
    const closed = once(socket, "close") as Promise<[number]>;
    for (let count = 0; count < 100; count += 1) socket.send('{"i":');
    const [code] = await closed;
    expect(code).toBe(1008);
    expect((await client.rpc.system.info()).platform).toBe(process.platform);
  });

  test("a message that is too large closes the connection, and is not kept", async () => {
    const socket = await openSocket(studio.origin, client.cookie);
    socket.on("error", () => undefined);
    const closed = once(socket, "close") as Promise<[number]>;
    socket.send(Buffer.alloc(65 * 1024 ** 2, 32));
    const [code] = await closed;
    expect([1006, 1009]).toContain(code);
    expect((await client.rpc.system.info()).platform).toBe(process.platform);
  });

  test("more open streams than a page needs are refused on that connection only", async () => {
    const socket = await openSocket(studio.origin, client.cookie);
    const refused = new Promise<string>((resolve) => socket.on("message", (data: Buffer) => {
      if (data.includes("TOO_MANY_CALLS")) resolve(data.toString("utf8"));
    }));
    for (let count = 0; count < 300; count += 1) socket.send(JSON.stringify({ i: String(count), p: { u: "/settings/watch", b: {} } }));
    expectNothingLeaked(await refused, studio);
    expect((await client.rpc.settings.get()).version).toBe(1);
    socket.terminate();
  });
});
