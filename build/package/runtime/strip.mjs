import { rmSync } from "node:fs";
import { join } from "node:path";
import { removeCaches } from "./movable-python.mjs";
import { stripSymbols } from "./symbols.mjs";
import { filesBelow } from "./tree.mjs";

/** Below site-packages: whole folders that the engine never opens. */
const FOLDERS = ["torch/include", "torch/share", "torch/test", "torchgen/packaged", "triton/profiler", "triton/instrumentation", "triton/plugins"];
const FILES = [
  // Build tools, static and import libraries, sources of compiled modules, headers, tests.
  /^torch\/bin\/(?!torch_shm_manager$)/,
  /\.(a|lib|pdb|cmake|pxd|pyx)$/,
  /^nvidia\/.*\/include\//,
  /(^|\/)tests?\//,
  // For developers of kernels: disassemblers of 90 MB and a profiler.
  /^triton\/backends\/nvidia\/bin\/(cuobjdump|nvdisasm)$/,
  /^triton\/backends\/nvidia\/lib\/cupti\//,
  /^triton\/_C\/libproton\.so$/,
  // NVIDIA's own profilers (torch links libcupti itself, so that one stays), and libraries that nothing here links or opens by name: solvers over several cards,
  // a second compiler beside the one in use, stand-ins for BLAS and FFTW, disks over RDMA, and the ways of NVSHMEM between machines.
  /^nvidia\/cu13\/lib\/lib(nvperf_host|nvperf_target|pcsamplingutil|checkpoint|nvtx3interop|cusolverMg|nvrtc\.alt|nvrtc-builtins\.alt|nvblas|cufftw|cufile_rdma)\.so/,
  /^nvidia\/nvshmem\/(?!lib\/libnvshmem_host\.so)/,
];

/**
 * Take out what is not needed to run. What this takes too much is found by the smoke test, which comes after.
 * @param {import("./tree.mjs").TreePaths} tree
 * @throws {SetupError}
 */
export function strip(tree) {
  removeCaches(tree.root);
  for (const folder of FOLDERS) rmSync(join(tree.sitePackages, folder), { recursive: true, force: true });
  for (const file of filesBelow(tree.sitePackages)) {
    if (FILES.some((pattern) => pattern.test(file))) rmSync(join(tree.sitePackages, file));
  }
  if (process.platform === "linux") stripSymbols(tree.sitePackages);
}
