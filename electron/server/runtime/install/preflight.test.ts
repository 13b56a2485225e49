import { expect, test } from "vitest";
import type { ArchiveIndex } from "../archive/format.schema.ts";
import { compareVersions, preflight, type PreflightFacts, supportsCapability } from "./preflight.ts";
import { type Probe, probeFault } from "./probe.ts";

const index: ArchiveIndex = {
  kind: "avatar-studio-runtime",
  format: 1,
  id: "0.1.0-linux-x64-cu13",
  engineVersion: "0.1.0",
  platform: "linux",
  arch: "x64",
  gpu: "cu13",
  python: "3.11.7",
  torch: "2.13.0+cu130",
  needs: { glibc: "2.35", cuda: { version: "13.0", driver: "580.65", architectures: ["sm_75", "sm_80", "sm_90", "compute_120"] } },
  files: 10,
  unpackedBytes: 5e9,
  longestPath: 200,
  manifestSha256: "0".repeat(64),
  volumes: [{ name: "a.001", bytes: 1e9, sha256: "0".repeat(64) }],
};
const facts: PreflightFacts = {
  platform: "linux",
  arch: "x64",
  glibc: "2.36",
  engineVersion: "0.1.0",
  driver: "580.95.05",
  capabilities: ["8.9"],
  folder: "/home/名前 with space/.local/share/avatar-studio/runtimes",
  writable: true,
  freeBytes: 6e9,
  toDownloadBytes: 0,
  program: "/opt/avatar-studio",
  syncedFolders: [],
};
const codes = (changed: Partial<PreflightFacts>, of: ArchiveIndex = index): string[] => preflight(of, { ...facts, ...changed }).map((fault) => fault.code);

test("a fitting machine has nothing against it, nor has one that does not tell everything", () => {
  expect(codes({})).toEqual([]);
  expect(codes({ glibc: null, driver: null, capabilities: [], freeBytes: null })).toEqual([]);
  expect(codes({ capabilities: [null, "3.5"] })).toEqual([]);
});

test.each<[Partial<PreflightFacts>, string]>([
  [{ arch: "arm64" }, "RUNTIME_OTHER_SYSTEM"],
  [{ engineVersion: "0.2.0" }, "RUNTIME_OTHER_VERSION"],
  [{ glibc: "2.31" }, "RUNTIME_SYSTEM_OLD"],
  [{ driver: "575.57.08" }, "RUNTIME_DRIVER_OLD"],
  [{ capabilities: ["5.2"] }, "RUNTIME_CARD_UNSUPPORTED"],
  [{ folder: "/opt/avatar-studio/data/runtimes" }, "RUNTIME_FOLDER_IN_PROGRAM"],
  [{ folder: "/home/anna/Dropbox/studio/runtimes" }, "RUNTIME_FOLDER_SYNCED"],
  [{ folder: "/home/anna/坚果云/runtimes" }, "RUNTIME_FOLDER_SYNCED"],
  [{ folder: "/Users/anna/Library/Mobile Documents/runtimes" }, "RUNTIME_FOLDER_SYNCED"],
  [{ folder: "/home/anna/Wolke/runtimes", syncedFolders: ["/home/anna/Wolke"] }, "RUNTIME_FOLDER_SYNCED"],
  [{ folder: `/${"x".repeat(900)}` }, "RUNTIME_PATH_TOO_LONG"],
  [{ writable: false }, "RUNTIME_FOLDER_READ_ONLY"],
  [{ freeBytes: 5.2e9 }, "RUNTIME_DISK_SPACE"],
  [{ freeBytes: 6e9, toDownloadBytes: 1e9 }, "RUNTIME_DISK_SPACE"],
])("%j is refused as %s", (changed, code) => {
  expect(codes(changed)).toEqual([code]);
});

test("Windows: short paths, letters of either case, folders of OneDrive", () => {
  const windows = { ...index, platform: "win32", needs: { ...index.needs, glibc: null } } as const;
  const on = (folder: string): string[] => codes({ platform: "win32", folder, program: "C:\\Program Files\\Avatar Studio" }, windows);
  expect(on("C:\\s\\runtimes")).toEqual([]);
  expect(on("C:\\Users\\Anna Beispiel\\AppData\\Local\\Avatar Studio\\runtimes")).toEqual(["RUNTIME_PATH_TOO_LONG"]);
  expect(on("c:\\program files\\AVATAR STUDIO\\r")).toContain("RUNTIME_FOLDER_IN_PROGRAM");
  expect(on("C:\\OneDrive - Firma\\r")).toEqual(["RUNTIME_FOLDER_SYNCED"]);
  // A name that only begins alike is another folder.
  expect(codes({ folder: "/opt/avatar-studio-data/r" })).toEqual([]);
});

test("versions are compared by numbers", () => {
  expect(compareVersions("2.9", "2.35")).toBeLessThan(0);
  expect(compareVersions("580.95.05", "580.65")).toBeGreaterThan(0);
  expect(compareVersions("13.0", "13")).toBe(0);
});

test.each([
  ["8.9", ["sm_80"], true],
  ["8.0", ["sm_86"], false],
  ["9.0", ["sm_80"], false],
  ["12.1", ["compute_120"], true],
  ["12.0", ["sm_90", "compute_90"], true],
  ["7.0", ["sm_75"], false],
  ["9.0", ["sm_90a"], true],
])("a card of %s with code for %j: %s", (capability, architectures, expected) => {
  expect(supportsCapability(architectures, capability)).toBe(expected);
});

test("what keeps torch from the cards is named", () => {
  const probe: Probe = { python: "3.11.7", engine: "0.1.0", torch: "2.13.0+cu130", cuda: "13.0", architectures: ["sm_90"], tritonReady: true, cudaError: null, devices: [{ name: "H100", capability: "9.0", error: null }] };
  const code = (changed: Partial<Probe>, driverSeesCards = true): string | null => probeFault({ ...probe, ...changed }, driverSeesCards)?.code ?? null;
  expect(code({})).toBeNull();
  expect(code({ cuda: null, devices: [] })).toBe("TORCH_WITHOUT_CUDA");
  expect(code({ cuda: null, devices: [] }, false)).toBeNull();
  expect(code({ cudaError: "driver too old", devices: [] })).toBe("TORCH_NO_CARD");
  expect(code({ devices: [] })).toBe("TORCH_NO_CARD");
  expect(code({ cudaError: "Found no NVIDIA driver on your system.", devices: [] }, false)).toBe("TORCH_NO_DRIVER");
  expect(code({ devices: [{ name: "GTX 970", capability: "5.2", error: "no kernel image" }] })).toBe("TORCH_CARD_UNSUPPORTED");
  expect(code({ devices: [{ name: "H100", capability: "9.0", error: "out of memory" }] })).toBe("TORCH_CARD_FAILED");
  expect(code({ tritonReady: false })).toBe("COMPILER_MISSING");
});
