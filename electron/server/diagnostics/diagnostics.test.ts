import { describe, expect, onTestFinished, test } from "vitest";
import type { ProjectDocument } from "../../contract/document/project-document.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { Job, JobState } from "../../contract/jobs.schema.ts";
import { type MachineReport, type Model, setupCheckSchema, type WorkerState } from "../../contract/machine.schema.ts";
import { say } from "../common/say.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { FaultError } from "../common/fault-error.ts";
import { silentLogger } from "../common/logger.ts";
import { createDiagnostics, type DiagnosticsPorts } from "./diagnostics.ts";
import { lowerSettings } from "./lower-settings.ts";
import { setupChecksOf } from "./setup-checks.ts";
import { findTroubles, type TroubleFacts } from "./troubles.ts";

const fault = (code: string): Fault => ({ code, what: "What.", why: "Why.", hint: "Hint.", field: null });
const counts = { clipsDone: 3, clipsTotal: 9, clipsReused: 0 };
const job = (state: JobState, id = "j1", warnings: Job["warnings"] = []): Job => ({ id, projectId: "p", projectName: "Geheim", createdAt: 0, revision: 1, work: { kind: "render", quality: "preview", scope: { kind: "all" } }, warnings, state });
const failed = (code: string): Job => job({ status: "failed", ...counts, endedAt: 1, fault: fault(code), clip: 3 });
const running = job({ status: "running", ...counts, startedAt: 0, doing: "Clip 4", takeId: null, clip: 4, clipShare: 0, framesPerSecond: null, secondsLeft: null, memoryBytes: null, silentSeconds: 30 });

const machine: MachineReport = {
  at: 0,
  gpus: [],
  ranks: [],
  gpuSource: { kind: "none" },
  otherGraphics: [],
  processor: { name: "CPU", cores: 2, threads: 2, load: 0.5 },
  memory: { totalBytes: 16e9, availableBytes: 8e9 },
  disk: { path: "/home/geheim/data", totalBytes: 1e12, freeBytes: 5e11 },
  system: { platform: "linux", release: "6", hostname: "geheim-pc" },
  torch: null,
};
const card = { index: 0, uuid: "GPU-1", name: "RTX 4090", pciBus: null, driver: "470.1", computeCapability: "8.9", memoryTotalBytes: 24e9, memoryFreeBytes: 20e9, utilisation: 0, temperature: 40, powerWatts: 20 };
const ready: WorkerState = { status: "ready", model: null, engineVersion: "0.1.0" };
const demo: Model = { id: "demo", name: "Demo", kind: "demo", note: "Draws cartoons only.", bytes: 4e7, licence: null, keeping: "shipped", mend: null, state: { kind: "ready" } };
const quiet: TroubleFacts = { jobs: [], worker: ready, workerSilentSeconds: 0, workerLastWords: "", machine, models: [demo], port: null };
const found = (facts: Partial<TroubleFacts>): (readonly [string, string | null, string | null])[] => findTroubles({ ...quiet, ...facts }).map((one) => [one.fault.code, one.action, one.jobId]);

describe("troubles", () => {
  test("none where all is well", () => {
    expect(found({})).toEqual([]);
    expect(found({ machine: null })).toEqual([]);
  });

  test.each([
    ["OUT_OF_MEMORY", "retry-lower"],
    ["SIZE_TOO_LARGE_FOR_MEMORY", "retry-lower"],
    ["DISK_FULL", "free-disk"],
    ["AUDIO_UNREADABLE", "check-inputs"],
    ["IMAGE_TOO_SMALL", "check-inputs"],
    ["LORA_MISMATCH", "check-models"],
    ["CHECKPOINT_FILE_DAMAGED", "check-models"],
    ["GUIDANCE_UNSUPPORTED", null],
  ])("a render that failed with %s", (code, action) => {
    expect(found({ jobs: [failed(code)] })).toEqual([[code, action, "j1"]]);
  });

  test("an older failure is no trouble any more once a render has finished", () => {
    const finished: JobState = { status: "finished", ...counts, endedAt: 2, seconds: 1, framesPerSecond: null, bytes: 1 };
    expect(found({ jobs: [job(finished, "j2"), failed("OUT_OF_MEMORY")] })).toEqual([]);
    const warning = (code: string): Job["warnings"] => [{ code, values: {}, text: "The picture is blurred." }];
    expect(found({ jobs: [job(finished, "j3", warning("IMAGE_BLURRED"))] })).toEqual([["QUALITY_AT_RISK", "check-inputs", "j3"]]);
    // What the engine did about its memory says nothing of the pictures.
    expect(found({ jobs: [job(finished, "j4", warning("MEMORY_STEPPED_DOWN"))] })).toEqual([]);
  });

  test("a worker that hangs is named with what it did; one that is only busy is not", () => {
    const worker: WorkerState = { status: "busy", doing: say("CLIP_BLOCK", "Clip {clip}, block {block}", { clip: 4, block: 2 }), jobId: "j1" };
    expect(found({ worker, workerSilentSeconds: 5, jobs: [running] })).toEqual([]);
    expect(found({ worker, workerSilentSeconds: 40, jobs: [running] })).toEqual([["ENGINE_HANGS", "restart-worker", "j1"]]);
    expect(findTroubles({ ...quiet, worker, workerSilentSeconds: 40 })[0]?.fault.why).toContain("Clip 4, block 2.");
  });

  test.each([
    ["torch.distributed: ncclSystemError: System call failed", "CARDS_LINK_FAILED"],
    ["CUDA error: an illegal memory access was encountered", "CARD_FAILED"],
    ["CUDA error: no kernel image is available for execution on the device", "CARD_TOO_OLD"],
    ["Killed", "ENGINE_ENDED"],
  ])("what the worker said last: %s", (workerLastWords, code) => {
    expect(found({ worker: { status: "failed", fault: fault("ENGINE_ENDED") }, workerLastWords })).toEqual([[code, "restart-worker", null]]);
  });

  test("cards, models, disk, memory, port", () => {
    expect(found({ machine: { ...machine, gpuSource: { kind: "driver-trouble", fault: fault("GPU_DRIVER_MISMATCH") } } })).toEqual([["GPU_DRIVER_MISMATCH", null, null]]);
    const seen: MachineReport = { ...machine, gpus: [card], gpuSource: { kind: "nvidia-smi" }, torch: { version: "2.13", cudaVersion: "13.0", devices: [] } };
    expect(found({ machine: seen })).toEqual([["CARDS_NOT_USABLE", null, null]]);
    expect(findTroubles({ ...quiet, machine: seen })[0]?.fault.why).toContain("470.1");
    expect(found({ models: [{ ...demo, state: { kind: "damaged", faults: [fault("X")] } }] })).toEqual([["MODEL_DAMAGED", "check-models", null]]);
    expect(found({ machine: { ...machine, disk: { ...machine.disk, freeBytes: 1e9 }, memory: { totalBytes: 16e9, availableBytes: 1e8 } } })).toEqual([["DISK_NEARLY_FULL", "free-disk", null], ["MEMORY_NEARLY_FULL", null, null]]);
    expect(found({ port: { wanted: 7860, used: 7861, holder: "node (process 12)" } })).toEqual([["PORT_IN_USE", null, null]]);
  });

  test("every text is a sentence", () => {
    const all = findTroubles({ ...quiet, worker: { status: "busy", doing: say("X", "It works."), jobId: null }, workerSilentSeconds: 99, machine: { ...machine, disk: { ...machine.disk, freeBytes: 1 }, memory: { totalBytes: 1e9, availableBytes: 1 } }, port: { wanted: 1, used: 2, holder: null } });
    expect(all.length).toBe(4);
    for (const { fault: { what, why, hint } } of all) for (const text of [what, why, hint]) expect(text).toMatch(/^[A-Z0-9].*\.$/s);
  });
});

describe("the ladder", () => {
  test("goes down to its end and never up", () => {
    let settings: ReturnType<typeof lowerSettings> = { width: 704, height: 384, sampleSteps: 4 };
    const rungs: string[] = [];
    while (settings !== null) {
      rungs.push(`${String(settings.width)}x${String(settings.height)} ${String(settings.sampleSteps)}`);
      settings = lowerSettings(settings);
    }
    expect(rungs).toEqual(["704x384 4", "512x256 4", "384x192 4", "256x128 4", "192x128 4", "128x128 4", "128x128 3"]);
    expect(lowerSettings({ width: 64, height: 64, sampleSteps: 1 })).toBeNull();
  });
});

describe("set-up lines", () => {
  const facts = { machine, runtime: { kind: "ok", said: say("CHECK_RUNTIME", "Python {python}", { python: "3.11" }) }, ffmpeg: { kind: "failed", fault: fault("FFMPEG_MISSING") }, repairing: null, worker: ready, models: [demo], defaultModelId: "demo" } as const;
  const states = (more: Partial<Parameters<typeof setupChecksOf>[0]>): string[] => setupCheckSchema.array().parse(setupChecksOf({ ...facts, ...more })).map(({ id, state }) => `${id} ${state.kind}${state.kind === "failed" ? ` ${String(state.fix)}` : ""}`);

  test("say what is there, what is not, and what helps", () => {
    expect(states({})).toEqual(["cards note", "memory ok", "disk ok", "runtime ok", "ffmpeg failed repair-runtime", "engine ok", "model note"]);
    expect(states({ machine: null, runtime: null, ffmpeg: null, worker: { status: "starting" }, models: null })).toEqual(["cards checking", "memory checking", "disk checking", "runtime checking", "ffmpeg checking", "engine checking", "model checking"]);
    expect(states({ machine: { ...machine, gpus: [card], gpuSource: { kind: "nvidia-smi" }, disk: { ...machine.disk, freeBytes: 1 } }, worker: { status: "failed", fault: fault("X") }, defaultModelId: "gone" })).toEqual(["cards ok", "memory ok", "disk failed free-disk", "runtime ok", "ffmpeg failed repair-runtime", "engine failed restart-worker", "model failed choose-model"]);
  });

  test("an engine at work is well, whatever it does; one that is silent is told", () => {
    const engine = (code: string): unknown => setupChecksOf({ ...facts, worker: { status: "busy", doing: say(code, "What it does"), jobId: null } }).find(({ id }) => id === "engine")?.state;
    expect(engine("CLIP_BLOCK")).toMatchObject({ kind: "ok", said: { code: "CHECK_ENGINE_BUSY" } });
    expect(engine("WORKER_SILENT_AT")).toMatchObject({ kind: "note", said: { code: "WORKER_SILENT_AT" } });
  });
});

describe("helping", () => {
  interface World {
    readonly done: string[];
    readonly ports: DiagnosticsPorts;
  }
  // Only the settings are looked at.
  const document = { settings: { modelId: "m1", baseSeed: 0, inferFrames: 48, preview: { width: 384, height: 256, sampleSteps: 3 }, final: { width: 704, height: 384, sampleSteps: 4 } } } as unknown as ProjectDocument;
  function world(more: Partial<DiagnosticsPorts> = {}): World {
    const done: string[] = [];
    async function* once<T>(value: T, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
      yield value;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    }
    const ports: DiagnosticsPorts = {
      studio: { version: "0.1.0", mode: "web" },
      machine: { measure: () => Promise.resolve(machine), watch: (signal) => once(machine, signal) },
      worker: { state: () => ready, watch: (signal) => once(ready, signal), silentSeconds: () => 0, lastWords: () => 'File "/home/geheim/engine.py", prompt: A tall woman', restart: () => done.push("restart") },
      models: {
        list: () => Promise.resolve([demo]),
        watch: (signal) => once([demo], signal),
        verify: (id) => {
          done.push(`verify ${id}`);
          return Promise.resolve();
        },
        defaultId: () => "demo",
      },
      jobs: {
        list: () => [failed("OUT_OF_MEMORY")],
        render: (projectId, quality, scope) => {
          done.push(`render ${projectId} ${quality} ${scope.kind}`);
          return Promise.resolve("j9");
        },
      },
      projects: {
        state: () => Promise.resolve({ document, revision: 7 }),
        save: (id, revision, windowId, saved) => {
          done.push(`save ${id} ${String(revision)} ${windowId} ${JSON.stringify(saved.settings.preview)}`);
          return Promise.resolve();
        },
        privateValues: () => Promise.resolve({ folders: ["/home/geheim"], names: ["Geheim"], prompts: ["A tall woman"] }),
      },
      checkProject: () => Promise.resolve([{ code: "IMAGE_SMALL", severity: "warning", measured: "300 pixels", wanted: "at least 512", text: "The picture is small." }]),
      runtimeChanges: () => createLatestValue(null).stream(AbortSignal.abort()),
      verifyRuntime: () => Promise.resolve(say("CHECK_RUNTIME", "Python 3.11, engine 0.1.0")),
      repairRuntime: () => Promise.resolve(),
      ffmpeg: () => Promise.resolve("9.0.2"),
      clearCaches: () => Promise.resolve(2.5e9),
      port: () => null,
      logTail: () => Promise.resolve("2026 info studio: opened /home/geheim/Projekt Geheim/project.avatar"),
      logger: silentLogger,
      ...more,
    };
    return { done, ports };
  }
  function made(more: Partial<DiagnosticsPorts> = {}): World & { readonly diagnostics: ReturnType<typeof createDiagnostics>[0] } {
    const one = world(more);
    const [diagnostics, close] = createDiagnostics(one.ports);
    onTestFinished(close);
    return { ...one, diagnostics };
  }

  test("each action does what it says", async () => {
    const { diagnostics, done } = made();
    await diagnostics.help("restart-worker", null);
    expect(await diagnostics.help("retry-lower", "j1")).toContain("256 x 192 with 3 steps");
    await diagnostics.help("check-models", "j1");
    await diagnostics.help("check-models", null);
    expect(done).toEqual(["restart", 'save p 7 diagnostics {"width":256,"height":192,"sampleSteps":3}', "render p preview all", "verify m1", "verify demo"]);
    expect(await diagnostics.help("check-inputs", "j1")).toBe("The picture is small. Measured: 300 pixels. Wanted: at least 512.");
    expect(await diagnostics.help("free-disk", null)).toMatch(/^2\.5 GB/);
    for (const [action, id] of [["test-link", null], ["rm -rf", null], ["retry-lower", "gone"], ["check-inputs", null]] as const) await expect(diagnostics.help(action, id)).rejects.toMatchObject({ fault: { code: "ACTION_UNKNOWN" } });
  });

  test("the report tells all that helps and nothing private unless asked for", async () => {
    const { diagnostics } = made();
    const text = await diagnostics.report({ withPaths: false, withPrompts: false });
    expect(text).toContain("OUT_OF_MEMORY");
    expect(text).toContain("9.0.2");
    expect(text).not.toMatch(/geheim|woman/i);
    const open = await diagnostics.report({ withPaths: true, withPrompts: true });
    expect(open).toContain("/home/geheim/engine.py");
    expect(open).toContain("A tall woman");
  });

  test("the set-up page is followed while somebody looks, and its buttons work", async () => {
    let broken = true;
    let endRepair = (): void => undefined;
    const { diagnostics, done } = made({
      worker: { ...world().ports.worker, state: () => ({ status: "failed", fault: fault("X") }), restart: () => done.push("restart") },
      repairRuntime: (onStep) => {
        onStep("installing PyTorch");
        return new Promise((resolve) => (endRepair = resolve));
      },
      ffmpeg: () => (broken ? Promise.reject(new FaultError(fault("FFMPEG_MISSING"))) : Promise.resolve("9")),
    });
    const stream = diagnostics.setupChecks();
    const until = async (id: string, kind: string): Promise<void> => {
      for (;;) {
        const next = await stream.next();
        if (next.done === true || next.value.find((check) => check.id === id)?.state.kind === kind) return;
      }
    };
    await until("ffmpeg", "failed");
    await diagnostics.fix("engine");
    expect(done).toEqual(["restart"]);
    const repaired = diagnostics.fix("ffmpeg");
    // Both lines that hang on the runtime tell how far the repair is, then are asked anew.
    let told = "";
    while (!told.includes("Repairing the program: installing PyTorch")) told = JSON.stringify((await stream.next()).value);
    expect(told.split('"kind":"checking","said":{"code":"REPAIRING"').length - 1).toBe(2);
    endRepair();
    await repaired;
    expect(done).toEqual(["restart", "restart"]);
    await expect(diagnostics.fix("memory")).rejects.toMatchObject({ fault: { code: "FIX_UNKNOWN" } });
    broken = false;
    await stream.return();
    const again = diagnostics.setupChecks();
    let text = "";
    while (!text.includes('"id":"ffmpeg","area":"runtime","state":{"kind":"ok"')) text = JSON.stringify((await again.next()).value);
    await again.return();
  });
});
