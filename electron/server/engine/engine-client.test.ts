import { expect, test } from "vitest";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { type ClientEvent, EngineClient, type RenderUpdate } from "./engine-client.ts";

const job = {} as EngineJob;
const gone = { code: "ENGINE_KILLED", what: "It is gone.", why: "Killed.", hint: "", field: null };

function connect(): { client: EngineClient; sent: Record<string, unknown>[]; events: ClientEvent[]; logged: string[]; say: (message: object) => void } {
  const sent: Record<string, unknown>[] = [];
  const events: ClientEvent[] = [];
  const logged: string[] = [];
  const client = new EngineClient({ send: (line) => void sent.push(JSON.parse(line) as Record<string, unknown>), onEvent: (event) => void events.push(event), log: (text) => void logged.push(text) });
  return { client, sent, events, logged, say: (message) => client.receive(JSON.stringify(message)) };
}
const block = (clip: number): object => ({ type: "event", request_id: "1", job_id: "j", event: { kind: "block", clip, block: 0, blocks_per_clip: 2, seconds: 0.5 } });
const fault = async (promise: Promise<unknown>): Promise<string> => promise.then(() => "none", (error: unknown) => (error instanceof FaultError ? error.fault.code : String(error)));

async function collect(updates: AsyncIterable<RenderUpdate>): Promise<string[]> {
  const kinds: string[] = [];
  for await (const update of updates) kinds.push(update.kind === "event" ? update.event.kind : update.kind);
  return kinds;
}
const settle = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a render gives its events in order and ends with its end", async () => {
  const { client, say } = connect();
  const kinds = collect(client.render("j", job));
  say({ type: "accepted", request_id: "1", job_id: "j" });
  say(block(0));
  say({ type: "event", request_id: "1", job_id: "j", event: { kind: "from the future", x: 1 } });
  say(block(1));
  say({ type: "cancelled", request_id: "1", job_id: "j", clips_on_disk: 1 });
  say(block(2));
  expect(await kinds).toEqual(["block", "block", "cancelled"]);
});

test("a failed job and a refused job are errors with the engine's words", async () => {
  const { client, say } = connect();
  const failed = fault(collect(client.render("j", job)));
  say({ type: "accepted", request_id: "1", job_id: "j" });
  say({ type: "failed", request_id: "1", job_id: "j", clips_on_disk: 0, error: { ...gone, code: "DISK_FULL" } });
  expect(await failed).toBe("DISK_FULL");
  const refused = fault(collect(client.render("k", job)));
  say({ type: "error", request_id: "2", error: { ...gone, code: "WORKER_BUSY" } });
  expect(await refused).toBe("WORKER_BUSY");
});

test("whoever stops listening early leaves the worker free: the job is cancelled and its end awaited", async () => {
  const { client, sent, say } = connect();
  let left = false;
  const leaving = (async () => {
    for await (const update of client.render("j", job)) if (update.kind === "event") break;
    left = true;
  })();
  say({ type: "accepted", request_id: "1", job_id: "j" });
  say(block(0));
  await settle();
  expect(sent.at(-1)).toMatchObject({ type: "cancel", job_id: "j" });
  say({ type: "accepted", request_id: "2", job_id: "j" });
  await settle();
  expect(left).toBe(false);
  say({ type: "cancelled", request_id: "1", job_id: "j", clips_on_disk: 0 });
  await leaving;
  expect(left).toBe(true);
});

test("the end of the worker ends everything that waits, and what is asked later", async () => {
  const { client, say } = connect();
  const render = fault(collect(client.render("j", job)));
  const plan = fault(client.plan({ ckpt_dir: "/m", lora: null }, job));
  const load = fault(client.load({ ckpt_dir: "/m", lora: null }, () => undefined));
  say({ type: "accepted", request_id: "1", job_id: "j" });
  say(block(0));
  client.close(gone);
  expect(await Promise.all([render, plan, load, fault(client.status())])).toEqual(["ENGINE_KILLED", "ENGINE_KILLED", "ENGINE_KILLED", "ENGINE_KILLED"]);
});

test("lines that are not of the protocol are logged or passed over, and nobody waits for them for ever", async () => {
  const { client, logged, events, say } = connect();
  client.receive("Segmentation fault");
  client.receive("[1]");
  say({ type: "from the future" });
  expect(logged).toHaveLength(2);
  expect(events).toEqual([{ kind: "heard", clip: false }]);
  const plan = fault(client.plan({ ckpt_dir: "/m", lora: null }, job));
  say({ type: "planned", request_id: "1", plan: { device: 1 } });
  expect(await plan).toBe("ENGINE_MESSAGE_INVALID");
  const status = fault(client.status());
  say({ type: "accepted", request_id: "2", job_id: "x" });
  expect(await status).toBe("ENGINE_MESSAGE_INVALID");
});

test("a fault instead of a hello means that the engine cannot be used", () => {
  const { events, say } = connect();
  say({ type: "error", request_id: null, error: gone });
  expect(events).toContainEqual({ kind: "unusable", fault: gone });
});

test("a request longer than the worker reads is refused here", async () => {
  const { client, say, sent } = connect();
  say({ type: "hello", protocol: 1, engine_version: "1", python_version: "3", process: { id: 1, started: 1 }, torch: { version: "2", cuda_version: null, devices: [] }, processor: { name: "x", threads: 1, memory_total: 1, memory_available: 1 }, heartbeat_seconds: 2, max_line_bytes: 100 });
  expect(await fault(client.plan({ ckpt_dir: `/${"x".repeat(100)}`, lora: null }, job))).toBe("ENGINE_REQUEST_TOO_LONG");
  expect(sent).toEqual([]);
});

test("a cancel of a job that has ended is no error", async () => {
  const { client, say } = connect();
  const cancel = client.cancel("j");
  say({ type: "error", request_id: "1", error: { ...gone, code: "JOB_NOT_RUNNING" } });
  expect(await cancel).toBe(false);
});
