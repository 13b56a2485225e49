import { join } from "node:path";
import { cleanEnvironment } from "../common/child-process.ts";

export interface WorkerChoices {
  /** UUIDs of the cards to use; null leaves the choice to the engine, an empty list means none. */
  readonly gpus: readonly string[] | null;
  /** Whether libraries may fetch anything from the network. */
  readonly networkAllowed: boolean;
  /** Folder for what can be made anew: compiled kernels, measured speeds. */
  readonly cacheFolder: string;
}

/** The environment of an engine worker: the user's own Python and caches play no part in it. */
export function workerEnvironment(environment: NodeJS.ProcessEnv, choices: WorkerChoices): NodeJS.ProcessEnv {
  const cache = (name: string): string => join(choices.cacheFolder, name);
  return cleanEnvironment(withoutCudaChoice(environment), {
    // So that a card has the same number here, in torch and in nvidia-smi.
    CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    ...(choices.gpus === null ? {} : { CUDA_VISIBLE_DEVICES: choices.gpus.join(",") }),
    AVATAR_STUDIO_CACHE: choices.cacheFolder,
    HF_HOME: cache("hub"),
    TORCH_HOME: cache("torch"),
    TORCHINDUCTOR_CACHE_DIR: cache("inductor"),
    TRITON_CACHE_DIR: cache("triton"),
    CUDA_CACHE_PATH: cache("cuda"),
    ...(choices.networkAllowed ? {} : { LIVE_AVATAR_OFFLINE: "1", HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" }),
    HF_HUB_DISABLE_TELEMETRY: "1",
  });
}

/** Which cards are used is chosen in the program, not by what a terminal happened to export; unless nothing is chosen. */
function withoutCudaChoice(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name !== "CUDA_DEVICE_ORDER"));
}
