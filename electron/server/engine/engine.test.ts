import { expect, test } from "vitest";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import { createEngine, type EngineUpdate, type WorkerPort } from "./engine.ts";

const job = {} as EngineJob;
const model = { id: "demo", choice: { ckpt_dir: "/m", lora: null } };
const lost: Fault = { code: "DEVICE_LOST", what: "The card stopped working.", why: "Xid.", hint: "", field: null };
const hello = { type: "hello", protocol: 1, engine_version: "1", python_version: "3", process: { id: 1, started: 0 }, torch: { version: "2", cuda_version: null, devices: [] }, processor: { name: "", threads: 1, memory_total: 1, memory_available: 1 }, heartbeat_seconds: 2, max_line_bytes: 1_000_000 };
const loaded = { ckpt_dir: "/m", lora: null, device: "cuda:0", denoiser_precision: "bf16", vae_precision: "bf16", weights_fingerprint: "0" };

/** A worker that loads, and then lets `render` answer. */
function workerThat(render: (say: (message: object) => void, requestId: string) => void): WorkerPort {
  const worker: WorkerPort = {
    onLine: () => undefined,
    onEnd: () => undefined,
    send: (line) => {
      const { type, request_id: requestId } = JSON.parse(line) as { type: string; request_id: string };
      const say = (message: object): void => worker.onLine(JSON.stringify(message));
      if (type === "load") say({ type: "loaded", request_id: requestId, model: loaded, reused: false, seconds: 1 });
      if (type === "render") {
        say({ type: "accepted", request_id: requestId, job_id: "j" });
        render(say, requestId);
      }
    },
  };
  return worker;
}

function engineWith(worker: WorkerPort) {
  const engine = createEngine({
    report: () => undefined,
    log: () => undefined,
    watchWorker: async function* () {
      yield await Promise.resolve({ status: "ready", model: null, engineVersion: "1" } as const);
    },
  });
  engine.attach(worker);
  worker.onLine(JSON.stringify(hello));
  return engine;
}

test("a job that lost its card is lost, not failed, once its worker has ended", async () => {
  const worker = workerThat((say, requestId) => say({ type: "failed", request_id: requestId, job_id: "j", clips_on_disk: 2, error: lost }));
  const engine = engineWith(worker);
  const updates: EngineUpdate[] = [];
  let over = false;
  const following = (async () => {
    for await (const update of engine.render(model, "job", "j", job, new AbortController().signal)) updates.push(update);
    over = true;
  })();
  await new Promise((resolve) => setImmediate(resolve));
  // Another worker is to be asked, so the end of this one is awaited.
  expect(over).toBe(false);
  worker.onEnd(lost);
  await following;
  expect(updates.at(-1)).toEqual({ kind: "lost", fault: lost });
});

test("other faults are the job's own", async () => {
  const worker = workerThat((say, requestId) => say({ type: "failed", request_id: requestId, job_id: "j", clips_on_disk: 2, error: { ...lost, code: "OUT_OF_MEMORY" } }));
  const engine = engineWith(worker);
  const following = (async () => {
    for await (const _ of engine.render(model, "job", "j", job, new AbortController().signal));
  })();
  await expect(following).rejects.toMatchObject({ fault: { code: "OUT_OF_MEMORY" } });
});
