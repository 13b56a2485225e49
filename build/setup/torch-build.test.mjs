import assert from "node:assert/strict";
import { test } from "node:test";
import { hasNvidiaDriver, reportedVersion, wantedTorchBuild } from "./torch-build.mjs";

test("only Linux without an NVIDIA driver asks for the CPU build", () => {
  assert.equal(wantedTorchBuild("linux", false), "cpu");
  assert.equal(wantedTorchBuild("linux", true), "default");
  assert.equal(wantedTorchBuild("darwin", false), "default");
});

test("the driver is found by its kernel file, on PATH, or in WSL's folder", () => {
  const only = (/** @type {string} */ present) => (/** @type {string} */ path) => path === present;
  assert.ok(hasNvidiaDriver({ PATH: "" }, only("/proc/driver/nvidia/version")));
  assert.ok(hasNvidiaDriver({ PATH: "/usr/bin:/opt/gpu" }, only("/opt/gpu/nvidia-smi")));
  assert.ok(hasNvidiaDriver({}, only("/usr/lib/wsl/lib/nvidia-smi")));
  assert.ok(!hasNvidiaDriver({ PATH: "/usr/bin" }, () => false));
});

test("the version pip chose is read from its report", () => {
  assert.equal(reportedVersion('{"install": [{"metadata": {"name": "torch", "version": "2.13.0+cpu"}}]}'), "2.13.0+cpu");
  assert.equal(reportedVersion('{"install": []}'), null);
  assert.equal(reportedVersion(""), null);
});
