import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Fault } from "../../../contract/fault.schema.ts";
import { cleanEnvironment, runProgram } from "../../common/child-process.ts";
import { FaultError } from "../../common/fault-error.ts";
import { supportsCapability } from "./preflight.ts";

const probeSchema = z.object({
  python: z.string(),
  engine: z.string(),
  torch: z.string(),
  cuda: z.string().nullable(),
  architectures: z.array(z.string()),
  /** Whether Triton's helper module is there, or a compiler that can make it; true where Triton plays no part. */
  tritonReady: z.boolean(),
  /** Why torch sees no card although it is built for them. */
  cudaError: z.string().nullable(),
  devices: z.array(z.object({ name: z.string(), capability: z.string(), error: z.string().nullable() })),
});
export type Probe = z.infer<typeof probeSchema>;

/** Starts torch and multiplies two small matrices on every card. */
const SCRIPT = `
import json, platform, shutil, sys
from pathlib import Path

import torch
from live_avatar import __version__

answer = {"python": platform.python_version(), "engine": __version__, "torch": str(torch.__version__), "cuda": torch.version.cuda,
          "architectures": [], "tritonReady": True, "cudaError": None, "devices": []}
try:
    product = torch.ones(64, 64) @ torch.ones(64, 64)
    if float(product[0, 0]) != 64.0:
        raise RuntimeError("a product on the processor came out wrong")
    if torch.version.cuda is not None:
        answer["architectures"] = torch._C._cuda_getArchFlags().split()
        prebuilt = any(Path(sys.prefix, "lib", "triton-prebuilt").glob("cuda_utils-*"))
        answer["tritonReady"] = sys.platform != "linux" or prebuilt or any(shutil.which(name) for name in ("gcc", "clang"))
        try:
            torch.cuda.init()
        except Exception as error:
            answer["cudaError"] = str(error).strip().splitlines()[0]
        else:
            for number in range(torch.cuda.device_count()):
                device = {"name": torch.cuda.get_device_name(number), "capability": ".".join(map(str, torch.cuda.get_device_capability(number))), "error": None}
                try:
                    ones = torch.ones(64, 64, device=f"cuda:{number}")
                    if float((ones @ ones)[0, 0]) != 64.0:
                        device["error"] = "a product came out wrong"
                except Exception as error:
                    device["error"] = str(error).strip().splitlines()[0]
                answer["devices"].append(device)
finally:
    print(json.dumps(answer))
`;
/** The first start reads 500 MB; virus scanners look at each file. */
const PATIENCE_MILLISECONDS = 300_000;

/**
 * Try a runtime out: start Python, torch and every card. `temporary` is an empty folder for what the programs put down.
 * @throws FaultError RUNTIME_DAMAGED, PROGRAM_NOT_STARTED, PROGRAM_TOO_SLOW, or the signal's reason
 */
export async function probeRuntime(python: string, temporary: string, signal: AbortSignal): Promise<Probe> {
  // A file, not `-c`: some virus scanners stop Python when it is given its program on the command line.
  const script = join(temporary, "probe.py");
  await writeFile(script, SCRIPT);
  const environment = cleanEnvironment(process.env, { TMPDIR: temporary, TEMP: temporary, TMP: temporary, CUDA_DEVICE_ORDER: "PCI_BUS_ID" });
  const output = await runProgram({ command: python, args: ["-I", "-B", "-X", "utf8", script], cwd: temporary, env: environment }, { timeoutMilliseconds: PATIENCE_MILLISECONDS, signal });
  const probe = readProbe(output.stdout.toString("utf8"));
  if (output.code !== 0 || probe === null) {
    const last = output.stderr.trim().split("\n").at(-1) ?? "";
    throw new FaultError({ code: "RUNTIME_DAMAGED", what: "The engine's Python does not work on this machine.", why: last === "" ? `It ended with status ${String(output.code ?? output.signal)}.` : last.slice(0, 300), hint: "Copy the archive again. If it stays so, copy the diagnostics and send them to somebody who helps." });
  }
  return probe;
}

function readProbe(text: string): Probe | null {
  try {
    return probeSchema.parse(JSON.parse(text.trim().split("\n").at(-1) ?? ""));
  } catch {
    return null;
  }
}

/**
 * What keeps a working runtime from using the cards, in words; null when all is well. It does not keep it from being installed: it works on the processor.
 * Pure. `driverSeesCards` tells whether the NVIDIA driver reports any.
 */
export function probeFault(probe: Probe, driverSeesCards: boolean): Fault | null {
  const fault = (code: string, what: string, why: string, hint: string): Fault => ({ code, what, why, hint, field: null });
  if (probe.cuda === null) {
    if (!driverSeesCards) return null;
    return fault("TORCH_WITHOUT_CUDA", "The engine cannot use the card.", `Its torch (${probe.torch}) is built without CUDA, although an NVIDIA card is there.`, "Install the runtime archive with CUDA.");
  }
  if (!driverSeesCards) return fault("TORCH_NO_DRIVER", "The engine computes on the processor.", `It is made for NVIDIA cards (CUDA ${probe.cuda}), and no NVIDIA driver answers on this machine.`, "If there is a card, install its driver, then check again. If there is none, all is well; the archive for processors takes less room.");
  if (probe.cudaError !== null) return fault("TORCH_NO_CARD", "The engine cannot reach the card.", `CUDA ${probe.cuda} says: ${probe.cudaError}`, "Update the NVIDIA driver and restart the machine, then check again.");
  if (probe.devices.length === 0) return fault("TORCH_NO_CARD", "The engine sees no card.", "The driver reports one, but CUDA does not.", "Restart the machine. If it stays so, install the driver again.");
  const strange = probe.devices.find((device) => probe.architectures.length > 0 && !supportsCapability(probe.architectures, device.capability));
  if (strange !== undefined) return fault("TORCH_CARD_UNSUPPORTED", "The engine has no code for a card.", `${strange.name} has compute capability ${strange.capability}; torch ${probe.torch} is built for ${probe.architectures.join(", ")}.`, "Take this card off on the set-up page, or use a runtime archive that supports it.");
  const failed = probe.devices.find((device) => device.error !== null);
  if (failed !== undefined) return fault("TORCH_CARD_FAILED", "A card does not calculate.", `${failed.name}: ${failed.error ?? ""}`, "Close other programs that use it and restart the machine. If it stays so, take the card off on the set-up page.");
  if (!probe.tritonReady) return fault("COMPILER_MISSING", "The engine cannot make its fast kernels.", "This runtime has no prepared helper module for Triton, and there is no C compiler.", "Install one (Debian, Ubuntu: sudo apt install gcc), or install the runtime archive of this version.");
  return null;
}
