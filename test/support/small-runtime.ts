import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packArchive } from "../../build/package/runtime/pack.mjs";
import type { RuntimeManifest } from "../../electron/server/runtime/archive/format.schema.ts";

/** A Python that can do one thing: answer the question of the one who tries it out. */
const PYTHON = `#!/bin/sh
echo '{"python":"3.11.7","engine":"0.1.0","torch":"2.13.0+cpu","cuda":null,"architectures":[],"tritonReady":true,"cudaError":null,"devices":[]}'
`;
const FILES = 60;

export const smallIdentity = {
  format: 1,
  id: `0.1.0-${process.platform}-${process.arch}-cpu`,
  engineVersion: "0.1.0",
  platform: process.platform as RuntimeManifest["platform"],
  arch: process.arch as RuntimeManifest["arch"],
  gpu: "cpu",
  python: "3.11.7",
  torch: "2.13.0+cpu",
  needs: { glibc: null, cuda: null },
} as const satisfies Omit<RuntimeManifest, "packages" | "files">;

/** A tree like a runtime's, of a few hundred kilobytes that hardly compress. */
export function writeSmallTree(root: string, seed = 1): void {
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  write("bin/python3", PYTHON);
  chmodSync(join(root, "bin/python3"), 0o755);
  write("lib/empty.py", "");
  for (let file = 0; file < FILES; file += 1) write(`lib/python3.11/site-packages/package${String(file % 7)}/文件 ${String(file)}.bin`, noise(file * 400, seed * 1000 + file));
}

/** A small runtime archive, by the maker's own code. */
export async function makeSmallArchive(folder: string, options: { readonly volumeBytes?: number; readonly seed?: number; readonly identity?: Partial<Omit<RuntimeManifest, "packages" | "files">> } = {}): Promise<string> {
  const root = join(folder, "tree");
  writeSmallTree(root, options.seed);
  const identity = { ...smallIdentity, ...options.identity };
  const { index } = await packArchive({ root, identity, packages: [{ name: "CPython", version: "3.11.7", licence: "PSF-2.0" }], output: join(folder, "archive"), volumeBytes: options.volumeBytes ?? 100_000 });
  return index;
}

/** Bytes that look random and are the same every time. */
export function noise(bytes: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: bytes }, () => Math.floor(next() * 256));
}

/** Numbers from 0 up to 1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
