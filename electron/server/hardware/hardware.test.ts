import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { machineReportSchema, type RankReport } from "../../contract/machine.schema.ts";
import { silentLogger } from "../common/logger.ts";
import { createHardware, type HardwareDependencies } from "./hardware.ts";
import { parseAvailable } from "./memory.ts";
import { askNvidia, type NvidiaAnswer } from "./nvidia-smi.ts";
import { normalBus } from "./nvidia-smi-output.ts";
import { listSystemGraphics, otherGraphics, readControllers } from "./other-graphics.ts";
import { countCores } from "./processor-load.ts";

/** A program in the place of nvidia-smi. */
function fakeSmi(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-smi-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "nvidia-smi");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
const saying = (text: string, code = 0): Promise<NvidiaAnswer> => askNvidia({ command: fakeSmi(`cat <<'END'\n${text}\nEND\nexit ${String(code)}`) });

const TWO_ALIKE = `0, GPU-22222222-aaaa-bbbb-cccc-000000000002, 00000000:81:00.0, NVIDIA GeForce RTX 4090, 580.95.05, 24564, 24100, 3, 41, 22.50, 8.9
1, GPU-11111111-aaaa-bbbb-cccc-000000000001, 00000000:41:00.0, NVIDIA GeForce RTX 4090, 580.95.05, 24564, 1200, 99, 77, 401.13, 8.9`;

describe("nvidia-smi", () => {
  test("two equal cards are told apart, in the order of the bus", async () => {
    const answer = await saying(TWO_ALIKE);
    if (answer.kind !== "cards") throw new Error(answer.kind);
    expect(answer.gpus.map(({ index, uuid, pciBus }) => [index, uuid.slice(4, 12), pciBus])).toEqual([
      [0, "11111111", "00000000:41:00.0"],
      [1, "22222222", "00000000:81:00.0"],
    ]);
    expect(answer.gpus[0]).toEqual({ index: 0, uuid: "GPU-11111111-aaaa-bbbb-cccc-000000000001", pciBus: "00000000:41:00.0", name: "NVIDIA GeForce RTX 4090", driver: "580.95.05", computeCapability: "8.9", memoryTotalBytes: 24_564 * 1024 ** 2, memoryFreeBytes: 1_200 * 1024 ** 2, utilisation: 99, temperature: 77, powerWatts: 401.13 });
  });

  test.each([
    ["shared memory", "0, GPU-1, 0000000F:01:00.0, NVIDIA GB10, 580.95.05, [N/A], [N/A], 0, 40, 4.2, 12.1", { memoryTotalBytes: null, memoryFreeBytes: null, powerWatts: 4.2, computeCapability: "12.1" }],
    ["old words", "0, GPU-1, 00000000:01:00.0, Quadro K620, 470.256.02, 2000, 1900, [Not Supported], 45, [Not Supported], 5.0", { utilisation: null, powerWatts: null, temperature: 45 }],
    ["a failing sensor", "0, GPU-1, 00000000:01:00.0, Tesla T4, 535.1, 15360, 15000, [Unknown Error], [GPU requires reset], [N/A], 7.5", { utilisation: null, temperature: null }],
    ["decimal comma and units", "0, GPU-1, 00000000:01:00.0, Tesla T4, 535.1, 15360 MiB, 15000 MiB, 7 %, 50, 26,5 W, 7.5", null],
    ["a comma in the name", "0, GPU-1, 00000000:01:00.0, Card, special, 535.1, 15360, 15000, 7, 50, 26.5, 7.5", { name: "Card, special", driver: "535.1", utilisation: 7 }],
    ["split into instances", "0, GPU-1, 00000000:01:00.0, NVIDIA A100-SXM4-80GB, 550.1, 81920, 80000, [N/A], 30, 60.1, 8.0", { utilisation: null, memoryTotalBytes: 81_920 * 1024 ** 2 }],
  ])("%s", async (_what, line, expected) => {
    const answer = await saying(`${line}\nWARNING: infoROM is corrupted at gpu 0000:01:00.0\n`);
    if (answer.kind !== "cards") throw new Error(answer.kind);
    expect(answer.gpus.length).toBe(1);
    if (expected !== null) expect(answer.gpus[0]).toMatchObject(expected);
  });

  test("an old driver that does not know every field is asked for fewer", async () => {
    const command = fakeSmi(`case "$1" in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;; esac\necho '0, GPU-1, 00000000:01:00.0, Tesla K80, 450.1, 11441, 11000, 0, 30, 60.0'`);
    expect(await askNvidia({ command })).toMatchObject({ kind: "cards", gpus: [{ name: "Tesla K80", computeCapability: null, powerWatts: 60 }] });
  });

  test.each([
    ["No devices were found", 6, "none"],
    ["", 0, "none"],
    ["Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95", 18, "GPU_DRIVER_MISMATCH"],
    ["NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.", 9, "GPU_DRIVER_NOT_LOADED"],
    ["Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU", 15, "GPU_DRIVER_NOT_LOADED"],
    ["Failed to initialize NVML: Insufficient Permissions", 4, "GPU_NOT_PERMITTED"],
    ["Segmentation fault", 139, "GPU_DRIVER_TROUBLE"],
    ["表头, 无效, 的, 输出", 0, "GPU_DRIVER_TROUBLE"],
  ])("%s", async (text, code, expected) => {
    const answer = await saying(text, code);
    expect(answer.kind === "trouble" ? answer.fault.code : answer.kind).toBe(expected);
    if (answer.kind === "trouble") for (const part of [answer.fault.what, answer.fault.why, answer.fault.hint]) expect(part).toMatch(/^[A-Z].*\.$/s);
  });

  test("no program, no card", async () => {
    expect(await askNvidia({ command: "/nowhere/nvidia-smi" })).toEqual({ kind: "none" });
  });

  test("one that hangs is ended and named", async () => {
    const answer = await askNvidia({ command: fakeSmi("sleep 600"), timeoutMilliseconds: 300 });
    expect(answer).toMatchObject({ kind: "trouble", fault: { code: "GPU_DRIVER_SILENT" } });
  });
});

describe("other adapters", () => {
  test("addresses are compared in one form", () => {
    expect(["00000000:41:00.0", "0000:41:00.0", "41:00.0", "0000:0A:1f.7"].map(normalBus)).toEqual(["0000:41:00.0", "0000:41:00.0", "0000:41:00.0", "0000:0a:1f.7"]);
    expect([null, "", "PCI bus 4", "1:2"].map(normalBus)).toEqual([null, null, null, null]);
  });

  test("cards already listed are not listed again", () => {
    const adapters = readControllers([
      { vendor: "NVIDIA Corporation", model: "AD102 [GeForce RTX 4090]", bus: "41:00.0" },
      { vendor: "Advanced Micro Devices, Inc.", model: "Raphael", bus: "0c:00.0" },
      { vendor: "NVIDIA", model: "NVIDIA T400", bus: "" },
      { vendor: "", model: "", bus: null },
      null,
      "nonsense",
    ]);
    expect(otherGraphics(adapters, ["00000000:41:00.0"])).toEqual(["Advanced Micro Devices, Inc. Raphael"]);
    expect(otherGraphics(adapters, [])).toEqual(["NVIDIA Corporation AD102 [GeForce RTX 4090]", "Advanced Micro Devices, Inc. Raphael", "NVIDIA T400"]);
    expect(readControllers("nonsense")).toEqual([]);
  });

  test("the real system answers from its thread", async () => {
    expect(Array.isArray(await listSystemGraphics())).toBe(true);
  });
});

describe("the report", () => {
  function hardware(more: Partial<HardwareDependencies>): ReturnType<typeof createHardware>[0] {
    const [made, close] = createHardware({ dataFolder: tmpdir(), torch: () => null, ranks: () => [], logger: silentLogger, nvidia: () => Promise.resolve({ kind: "none" }), graphics: () => Promise.resolve([]), intervalMilliseconds: 10, ...more });
    onTestFinished(close);
    return made;
  }

  test("fits the contract on this machine, also with its real cards", async () => {
    const report = await hardware({ nvidia: () => askNvidia() }).measure();
    expect(machineReportSchema.parse(report)).toEqual(report);
    expect(report.memory.availableBytes).toBeLessThan(report.memory.totalBytes);
    expect(report.disk.freeBytes).toBeGreaterThan(0);
    expect(report.processor.cores).toBeLessThanOrEqual(report.processor.threads);
  });

  test("says what the engine's processes do, as of now", async () => {
    const rank: RankReport = { rank: 0, device: "cpu", uuid: null, state: "working", layers: { first: 0, count: 6, of: 6 }, steps: null, framesPerSecond: 3.5, memory: null };
    const report = await hardware({ ranks: () => [rank] }).measure();
    expect(machineReportSchema.parse(report).ranks).toEqual([rank]);
  });

  test("cards that hang hold up nothing else, and stay listed without live values", async () => {
    const answers = [await saying(TWO_ALIKE), await saying("Failed to initialize NVML: Driver/library version mismatch", 18)];
    const made = hardware({ nvidia: () => Promise.resolve(answers.shift() ?? { kind: "none" }) });
    const stream = made.watch();
    // The first event may come before the cards have answered.
    let seen = await stream.next();
    while (seen.value?.gpuSource.kind === "none") seen = await stream.next();
    expect(seen.value?.gpus.map((gpu) => gpu.utilisation)).toEqual([99, 3]);
    while (seen.value?.gpuSource.kind === "nvidia-smi") seen = await stream.next();
    expect(seen.value).toMatchObject({ gpuSource: { kind: "driver-trouble", fault: { code: "GPU_DRIVER_MISMATCH" } }, gpus: [{ index: 0, utilisation: null, memoryFreeBytes: null, memoryTotalBytes: 24_564 * 1024 ** 2 }, { index: 1 }] });
    await stream.return();
  });

  test("while nvidia-smi hangs, the rest of the machine is told", async () => {
    const made = hardware({ nvidia: () => new Promise(() => undefined) });
    const stream = made.watch();
    expect((await stream.next()).value?.memory.totalBytes).toBeGreaterThan(0);
    expect((await stream.next()).value?.processor.load).not.toBeUndefined();
    await stream.return();
  });

  test("nothing is measured while nobody looks", async () => {
    let asked = 0;
    const made = hardware({
      nvidia: () => {
        asked += 1;
        return Promise.resolve({ kind: "none" });
      },
    });
    expect(asked).toBe(0);
    const stream = made.watch();
    await stream.next();
    await stream.return();
    const measured = asked;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(asked).toBe(measured);
  });
});

test("texts of the kernel", () => {
  expect(parseAvailable("MemTotal:       16306456 kB\nMemFree:          200000 kB\nMemAvailable:    9000000 kB\n")).toBe(9_000_000 * 1024);
  expect(parseAvailable("")).toBeNull();
  expect(countCores("processor\t: 0\nphysical id\t: 0\ncore id\t\t: 0\n\nprocessor\t: 1\nphysical id\t: 0\ncore id\t\t: 0\n\nprocessor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\n")).toBe(2);
  expect(countCores("processor : 0\nBogoMIPS : 50\n")).toBeNull();
});
