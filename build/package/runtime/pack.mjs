import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, openSync, closeSync, fsyncSync, readSync, readdirSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress } from "node:zlib";
import { createTarPacker } from "modern-tar";
import { isElf } from "./elf.mjs";
import { sha256Of } from "./python-build.mjs";
import { filesBelow } from "./tree.mjs";

/** @typedef {import("../../../electron/server/runtime/archive/format.schema.ts").ArchiveIndex} ArchiveIndex */
/** @typedef {import("../../../electron/server/runtime/archive/format.schema.ts").RuntimeManifest} RuntimeManifest */
/** @typedef {Omit<RuntimeManifest, "packages" | "files">} Identity */

/** Below the 2 GB of FAT and of many file hosts. */
const VOLUME_BYTES = 1_900_000_000;
/** 6 of 11: a twentieth larger than 9, in an eighth of the time. */
const QUALITY = 6;
/** Brotli looks back this far: 16 MB, the most that every decoder takes. */
const WINDOW_BITS = 24;
const MANIFEST_NAME = "runtime.json";

/**
 * Make the index and the volumes of a tree. The index comes last: without it there is no archive. The same tree gives the same bytes.
 * @param {{ root: string, identity: Identity, packages: RuntimeManifest["packages"], output: string, volumeBytes?: number }} request
 * @returns {Promise<{ index: string, content: ArchiveIndex }>} where the index lies
 */
export async function packArchive({ root, identity, packages, output, volumeBytes = VOLUME_BYTES }) {
  /** @type {RuntimeManifest["files"]} */
  const files = [];
  for (const path of filesBelow(root)) {
    const full = join(root, path);
    const { size, mode } = statSync(full);
    files.push({ path, bytes: size, sha256: await sha256Of(full), executable: (mode & 0o111) !== 0 });
  }
  const manifest = Buffer.from(`${JSON.stringify({ ...identity, packages, files })}\n`);
  const name = `avatar-studio-runtime-${identity.id}`;
  mkdirSync(output, { recursive: true });
  for (const old of readdirSync(output)) if (old.startsWith(`${name}.`)) rmSync(join(output, old));

  const { readable, controller } = createTarPacker();
  const filling = fillTar(controller, root, manifest, files);
  const volumes = volumeWriter(join(output, `${name}.tar.br`), volumeBytes);
  const brotli = createBrotliCompress({ chunkSize: 1 << 20, params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS } });
  await Promise.all([filling, pipeline(Readable.fromWeb(/** @type {import("node:stream/web").ReadableStream} */ (readable)), brotli, volumes.write)]);

  /** @type {ArchiveIndex} */
  const content = {
    kind: "avatar-studio-runtime",
    ...identity,
    files: files.length,
    unpackedBytes: files.reduce((sum, file) => sum + file.bytes, manifest.length),
    longestPath: Math.max(...files.map((file) => file.path.length)),
    manifestSha256: createHash("sha256").update(manifest).digest("hex"),
    volumes: volumes.written,
  };
  const index = join(output, `${name}.json`);
  writeFileSync(`${index}.partial`, `${JSON.stringify(content, null, 2)}\n`, { flush: true });
  renameSync(`${index}.partial`, index);
  return { index, content };
}

/**
 * @param {import("modern-tar").TarPackController} controller
 * @param {string} root
 * @param {Buffer} manifest
 * @param {RuntimeManifest["files"]} files
 */
async function fillTar(controller, root, manifest, files) {
  const add = async (/** @type {string} */ name, /** @type {number} */ size, /** @type {boolean} */ executable, /** @type {AsyncIterable<Uint8Array> | Uint8Array[]} */ content) => {
    // Nothing of the machine it was made on: no times, no owners.
    const writer = controller.add({ name, size, type: "file", mode: executable ? 0o755 : 0o644, mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" }).getWriter();
    for await (const chunk of content) await writer.write(chunk);
    await writer.close();
  };
  await add(MANIFEST_NAME, manifest.length, false, [manifest]);
  for (const { path, bytes, executable } of files) await add(path, bytes, executable, bytes === 0 ? [] : createReadStream(join(root, path), { highWaterMark: 1 << 20 }));
  controller.finalize();
}

/**
 * Cuts a stream into numbered files.
 * @param {string} base
 * @param {number} volumeBytes
 */
function volumeWriter(base, volumeBytes) {
  /** @type {ArchiveIndex["volumes"]} */
  const written = [];
  /** @param {AsyncIterable<Buffer>} source */
  async function write(source) {
    /** @type {{ path: string, handle: number, bytes: number, hash: import("node:crypto").Hash } | null} */
    let open = null;
    const finish = () => {
      if (open === null) return;
      fsyncSync(open.handle);
      closeSync(open.handle);
      written.push({ name: open.path.split(/[\\/]/).at(-1) ?? "", bytes: open.bytes, sha256: open.hash.digest("hex") });
      open = null;
    };
    for await (let chunk of source) {
      while (chunk.length > 0) {
        if (open === null) {
          const path = `${base}.${String(written.length + 1).padStart(3, "0")}`;
          open = { path, handle: openSync(path, "w"), bytes: 0, hash: createHash("sha256") };
        }
        const part = chunk.subarray(0, volumeBytes - open.bytes);
        writeSync(open.handle, part);
        open.hash.update(part);
        open.bytes += part.length;
        chunk = chunk.subarray(part.length);
        if (open.bytes === volumeBytes) finish();
      }
    }
    finish();
  }
  return { write, written };
}

/**
 * The oldest glibc that has every function which the programs and libraries of a tree ask for, such as `2.34`; null when they ask for none.
 * @param {string} root
 * @returns {string | null}
 */
export function neededGlibc(root) {
  let newest = -1;
  for (const file of filesBelow(root).filter((name) => /\.so(\.|$)|^bin\//.test(name)).map((name) => join(root, name)).filter(isElf)) {
    for (const text of textsOf(file)) for (const [, minor] of text.matchAll(/GLIBC_2\.(\d+)\0/g)) newest = Math.max(newest, Number(minor));
  }
  return newest < 0 ? null : `2.${newest}`;
}

const TEXT_BYTES = 1 << 24;
/** Longer than what is looked for. */
const OVERLAP_BYTES = 32;

/**
 * A file's bytes as text, in stretches that overlap: a library may be larger than a string can be long.
 * @param {string} file
 */
function* textsOf(file) {
  const handle = openSync(file, "r");
  const stretch = Buffer.alloc(TEXT_BYTES);
  try {
    for (let at = 0, read = TEXT_BYTES; read === TEXT_BYTES; at += TEXT_BYTES - OVERLAP_BYTES) {
      read = readSync(handle, stretch, 0, TEXT_BYTES, at);
      yield stretch.toString("latin1", 0, read);
    }
  } finally {
    closeSync(handle);
  }
}
