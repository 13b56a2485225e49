import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import type { EngineJob } from "../../electron/contract/engine-requests.schema.ts";
import type { WorkerState } from "../../electron/contract/machine.schema.ts";
import { createLogFile, silentLogger } from "../../electron/server/common/logger.ts";
import { createEngine, type Engine, type EngineUpdate } from "../../electron/server/engine/engine.ts";
import { findRuntime, type RuntimePlaces } from "../../electron/server/runtime/find-runtime.ts";
import { verifyRuntime } from "../../electron/server/runtime/verify-runtime.ts";
import { createWorkerSupervisor, type WorkerSupervisor } from "../../electron/server/runtime/worker-supervisor.ts";
import { processesMarked } from "../support/processes.ts";

// The supervisor, the client and a real worker with the demo model, without the rest of the studio.
const MARK = "AVATAR_STUDIO_ENGINE_TEST";
const folder = mkdtempSync(join(tmpdir(), "avatar-studio-engine-"));
const demo = join(repositoryRoot, "resources", "models", "demo");
const anna = join(repositoryRoot, "resources", "examples", "anna");
const model = { id: "demo", choice: { ckpt_dir: demo, lora: join(demo, "liveavatar.safetensors"), device: "cpu" } };

interface Running {
  readonly supervisor: WorkerSupervisor;
  readonly engine: Engine;
  readonly close: () => Promise<void>;
}

function run(name: string, places: RuntimePlaces): Running {
  const [supervisor, close] = createWorkerSupervisor({
    places,
    choices: () => ({ gpus: null, networkAllowed: false, cacheFolder: join(folder, name, "cache") }),
    recordPath: join(folder, `${name}.json`),
    log: silentLogger,
    workerLog: createLogFile(join(folder, `${name}.log`)),
    onStarted: (worker) => engine.attach(worker),
  });
  const engine: Engine = createEngine({ report: supervisor.report, watchWorker: supervisor.watch, log: () => undefined });
  supervisor.start();
  return { supervisor, engine, close };
}

let main: Running;
beforeAll(() => {
  process.env.OMP_NUM_THREADS = "1";
  process.env[MARK] = folder;
  main = run("main", { override: null, installation: repositoryRoot, installed: "/nowhere" });
});
afterAll(async () => {
  await main.close();
  // By now the environment of this process tells nothing: it was set after its start. Only workers have the mark.
  expect(processesMarked(MARK, folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

const job = (name: string, more: Partial<EngineJob> = {}): EngineJob => ({
  image: join(anna, "portrait.png"),
  audio: [join(anna, "voice.wav")],
  prompts: [{ start_block: 0, text: "A woman smiles and speaks to the camera." }],
  output: null,
  size: { width: 64, height: 64 },
  base_seed: 1,
  infer_frames: 24,
  sample_steps: 2,
  num_clip: 2,
  work_dir: join(folder, name),
  ...more,
});
const never = new AbortController().signal;

async function all(updates: AsyncIterable<EngineUpdate>): Promise<EngineUpdate[]> {
  const list: EngineUpdate[] = [];
  for await (const update of updates) list.push(update);
  return list;
}
async function until(supervisor: WorkerSupervisor, status: WorkerState["status"]): Promise<WorkerState> {
  for await (const state of supervisor.watch()) if (state.status === status) return state;
  throw new Error("closed");
}

test("the runtime of the checkout is found and whole", async () => {
  const facts = await verifyRuntime(await findRuntime({ override: null, installation: repositoryRoot, installed: "/nowhere" }));
  expect(facts.packages).toMatchObject({ torch: expect.stringMatching(/^\d/) as string });
});

test("a render ends in finished; the same again reuses every clip, and compare knows it", async () => {
  const last = (await all(main.engine.render(model, "j", "one", job("take"), never))).at(-1);
  const again = (await all(main.engine.render(model, "j", "two", job("take"), never))).at(-1);
  if (last?.kind !== "finished" || again?.kind !== "finished") throw new Error(JSON.stringify([last, again]));
  expect(again.result.reused_clips).toBe(last.result.clips);
  const client = await main.engine.client();
  expect(await client.compare(model.choice, job("take"))).toMatchObject({ clips: last.result.clips, fresh: last.result.clips, reasons: [] });
  expect(await client.compare(null, job("take", { base_seed: 2 }))).toMatchObject({ fresh: 0, reasons: ["seed"] });
});

test("a cancel ends the render long before its end", async () => {
  const controller = new AbortController();
  let last = "";
  // 13 blocks of about a second each; how soon the engine itself stops is its own tests' matter.
  for await (const update of main.engine.render(model, "j", "three", job("cancelled", { num_clip: null, size: { width: 128, height: 128 }, sample_steps: 6 }), controller.signal)) {
    last = update.kind === "event" ? update.event.kind : update.kind;
    if (last === "block") controller.abort();
  }
  expect(last).toBe("cancelled");
});

test("questions are answered while a render runs; whoever stops following it ends it", async () => {
  const client = await main.engine.client();
  let answered = 0;
  for await (const update of main.engine.render(model, "j", "four", job("asked", { num_clip: null, size: { width: 128, height: 128 }, sample_steps: 6 }), never)) {
    if (update.kind !== "event" || update.event.kind !== "block") continue;
    expect((await client.status()).state).toBe("rendering");
    expect((await main.engine.plan(model, job("planned"))).size).toEqual({ width: 64, height: 64 });
    expect((await client.checkImage(join(anna, "portrait.png"), { width: 384, height: 256 })).video).toEqual({ width: 384, height: 256 });
    expect((await client.checkAudio(join(anna, "voice.wav"))).sample_rate).toBe(22_050);
    expect((await client.checkPrompt("Hi")).map((finding) => finding.code)).toContain("PROMPT_SHORT");
    answered += 1;
    break;
  }
  expect(answered).toBe(1);
  expect((await client.status()).state).toBe("idle");
});

test("a job that the engine refuses is its fault in words, and the worker goes on", async () => {
  await expect(all(main.engine.render(model, "j", "five", job("bad", { sample_steps: 50 }), never))).rejects.toMatchObject({ fault: { code: "STEPS_INVALID", field: "sample_steps" } });
  await expect(all(main.engine.render({ id: "none", choice: { ckpt_dir: join(folder, "none"), lora: null } }, "j", "six", job("bad"), never))).rejects.toMatchObject({ fault: { code: "CHECKPOINT_NOT_FOUND" } });
  expect((await all(main.engine.render(model, "j", "seven", job("take"), never))).at(-1)?.kind).toBe("finished");
});

test("a restart asked for gives a new worker", async () => {
  const before = main.engine.hello.get()?.process.id;
  main.supervisor.restart();
  await until(main.supervisor, "starting");
  await until(main.supervisor, "ready");
  expect(main.engine.hello.get()?.process.id).not.toBe(before);
});

test("without a runtime the worker has failed, in words, and says so to who wants to render", async () => {
  const broken = run("broken", { override: join(folder, "nothing"), installation: repositoryRoot, installed: "/nowhere" });
  expect(await until(broken.supervisor, "failed")).toMatchObject({ fault: { code: "RUNTIME_MISSING" } });
  await expect(broken.engine.client()).rejects.toMatchObject({ fault: { code: "RUNTIME_MISSING" } });
  await broken.close();
});
