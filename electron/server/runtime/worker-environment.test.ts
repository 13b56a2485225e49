import { expect, test } from "vitest";
import { faultOfEnd } from "./worker-end.ts";
import { workerEnvironment } from "./worker-environment.ts";

const choices = { gpus: null, networkAllowed: false, cacheFolder: "/data/cache" };

test("the user's own Python and card numbering play no part", () => {
  const environment = workerEnvironment({ PATH: "/bin", PYTHONPATH: "/evil", PYTHONHOME: "/evil", CONDA_PREFIX: "/conda", CUDA_DEVICE_ORDER: "FASTEST_FIRST", CUDA_VISIBLE_DEVICES: "1" }, choices);
  expect(environment).toMatchObject({ PATH: "/bin", CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "1", HF_HUB_OFFLINE: "1", AVATAR_STUDIO_CACHE: "/data/cache" });
  expect(Object.keys(environment).filter((name) => /^(PYTHON|CONDA)/.test(name))).toEqual([]);
});

test("chosen cards are named by UUID; none means none", () => {
  expect(workerEnvironment({ CUDA_VISIBLE_DEVICES: "1" }, { ...choices, gpus: ["GPU-a", "GPU-b"] })).toMatchObject({ CUDA_VISIBLE_DEVICES: "GPU-a,GPU-b" });
  expect(workerEnvironment({}, { ...choices, gpus: [] })).toMatchObject({ CUDA_VISIBLE_DEVICES: "" });
  expect(workerEnvironment({}, { ...choices, networkAllowed: true })).not.toHaveProperty("HF_HUB_OFFLINE");
});

test("the end of a worker is told in words", () => {
  expect(faultOfEnd({ code: null, signal: "SIGKILL" }, "")).toMatchObject({ code: "ENGINE_KILLED" });
  expect(faultOfEnd({ code: 4, signal: null }, "")).toMatchObject({ code: "DEVICE_LOST" });
  expect(faultOfEnd({ code: 1, signal: null }, "Traceback\n\nRuntimeError: no\n\n")).toMatchObject({ code: "ENGINE_ENDED", why: "It ended with status 1. Its last words: RuntimeError: no" });
  expect(faultOfEnd({ code: null, signal: "SIGSEGV" }, "")).toMatchObject({ why: "It ended by the signal SIGSEGV." });
});
