import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { killIfThere, processesMarked } from "../support/processes.ts";

/** The launchers with the names of the published scripts. */
const scripts = join(repositoryRoot, "python-runtime", "scripts");
const MARK = "AVATAR_STUDIO_TEST_RUN";

function environmentOf(pid: number): Map<string, string> {
  const pairs = readFileSync(`/proc/${String(pid)}/environ`, "utf8").split("\0").filter((pair) => pair !== "");
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}

test.each([
  ["gradio_single_gpu.sh", {}, "0"],
  ["gradio_single_gpu.sh", { CUDA_VISIBLE_DEVICES: "2,3" }, "2"],
  ["run_4gpu_gradio.sh", {}, "0,1,2,3"],
  ["run_4gpu_gradio.sh", { NUM_GPUS_DIT: "2" }, "0,1"],
  ["gradio_multi_gpu.sh", {}, "0,1,2,3,4"],
  ["gradio_multi_gpu.sh", { CUDA_VISIBLE_DEVICES: "7,6" }, "7,6"],
])("%s with %j serves the studio on cards %s", async (name, given, cards) => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-data-"));
  const mark = randomUUID();
  const { CUDA_VISIBLE_DEVICES: _, ...inherited } = process.env;
  const child = spawn("bash", [join(scripts, name), "--ready-json", "--data-dir", folder], {
    env: { ...inherited, ...given, PORT: "0", [MARK]: mark },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line.startsWith("{")) resolve((JSON.parse(line) as { url: string }).url);
      });
      exited.then(([status]) => reject(new Error(`It ended: ${String(status)}`)), reject);
    });
    expect((await fetch(url, { redirect: "manual" })).status).toBeLessThan(400);
    const server = processesMarked(MARK, mark).find(({ command }) => command.some((word) => word.endsWith(join("server", "main.js"))));
    expect(server).toBeDefined();
    expect(environmentOf(server?.pid ?? 0).get("CUDA_VISIBLE_DEVICES")).toBe(cards);
    // What started it is gone: so is it.
    child.stdin.end();
    await exited;
    expect(processesMarked(MARK, mark)).toEqual([]);
  } finally {
    for (const { pid } of processesMarked(MARK, mark)) killIfThere(pid);
    rmSync(folder, { recursive: true, force: true });
  }
});

test.each([
  ["infinite_inference_single_gpu.sh", {}, "IMAGE_NOT_FOUND"],
  ["run_4gpu_tpp.sh", {}, "IMAGE_NOT_FOUND"],
  ["infinite_inference_multi_gpu.sh", { NUM_GPUS_DIT: "0" }, "RANKS_INVALID"],
])("%s with %j renders: its flags are understood", (name, given, code) => {
  const demo = join(repositoryRoot, "resources", "models", "demo");
  const { status, stdout } = spawnSync("bash", [join(scripts, name), "--image", "/nowhere.png", "--audio", "/nowhere.wav", "--prompt", "A person talks.", "--json"], {
    encoding: "utf8",
    env: { ...process.env, ...given, CKPT_DIR: demo },
  });
  const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { code: string };
  expect([status, last.code]).toEqual([2, code]);
});
