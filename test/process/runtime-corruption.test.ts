import { createHash } from "node:crypto";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { packTar } from "modern-tar";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { FaultError } from "../../electron/server/common/fault-error.ts";
import type { ArchiveIndex } from "../../electron/server/runtime/archive/format.schema.ts";
import { openArchive } from "../../electron/server/runtime/archive/open-archive.ts";
import { installRuntime } from "../../electron/server/runtime/install/install-runtime.ts";
import { installedRuntimes } from "../../electron/server/runtime/install/runtimes-folder.ts";
import { makeSmallArchive, noise, random, smallIdentity } from "../support/small-runtime.ts";

const SEED = 7;
type Entry = Parameters<typeof packTar>[0][number];

let scratch: string;
let good: string;
/** Where one case works: an archive to damage, and the folder of runtimes beside a file that must stay as it is. */
let place: string;
let index: string;
let runtimes: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "avatar-studio-corruption-"));
  good = join(await makeSmallArchive(scratch), "..");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(() => {
  place = mkdtempSync(join(scratch, "case-"));
  cpSync(good, join(place, "archive"), { recursive: true });
  index = join(place, "archive", readdirSync(good).find((name) => name.endsWith(".json")) ?? "");
  runtimes = join(place, "studio", "runtimes");
  mkdirSync(join(runtimes, "1-before"), { recursive: true });
  writeFileSync(join(place, "studio", "victim.txt"), "as it was");
  writeFileSync(join(runtimes, "1-before", "used.txt"), "as it was");
});
afterEach(() => rmSync(place, { recursive: true }));

const readIndex = (): ArchiveIndex => JSON.parse(readFileSync(index, "utf8")) as ArchiveIndex;
const volumeNames = (): string[] => readIndex().volumes.map((volume) => volume.name);
const volumePath = (name: string): string => join(place, "archive", name);
const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");
const changeIndex = (change: (content: Record<string, unknown>) => void): void => {
  const content = JSON.parse(readFileSync(index, "utf8")) as Record<string, unknown>;
  change(content);
  writeFileSync(index, JSON.stringify(content));
};

/** What is there outside the folder of runtimes, and what was installed before: by name and content. */
function surroundings(): string {
  const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return JSON.stringify(files.map((entry) => [join(entry.parentPath, entry.name), sha256(readFileSync(join(entry.parentPath, entry.name)))]).sort());
}

/** Installs what must be refused; gives back the fault, having looked that nothing else has changed. */
async function refusal(probed: { count: number } = { count: 0 }): Promise<{ readonly code: string; readonly why: string; readonly field: string | null }> {
  const before = surroundings();
  let fault: unknown = null;
  try {
    await installRuntime({ archive: await openArchive(index), folder: runtimes, signal: new AbortController().signal, onProgress: () => undefined, probe: () => Promise.resolve((probed.count += 1)) });
  } catch (error) {
    fault = error;
  }
  if (!(fault instanceof FaultError)) throw new Error(`It was not refused with a fault: ${String(fault)}`);
  expect(surroundings()).toBe(before);
  expect((await installedRuntimes(runtimes)).map((runtime) => runtime.id)).toEqual(["before"]);
  expect(readdirSync(runtimes)).toEqual(["1-before"]);
  expect(probed.count).toBe(0);
  return fault.fault;
}

test("the archive itself, undamaged, is installed", async () => {
  const installed = await installRuntime({ archive: await openArchive(index), folder: runtimes, signal: new AbortController().signal, onProgress: () => undefined, probe: () => Promise.resolve() });
  expect(statSync(join(installed.folder, "bin/python3")).mode & 0o111).not.toBe(0);
  expect(readdirSync(runtimes).sort()).toEqual(["1-before", `2-${smallIdentity.id}`]);
});

const next = random(SEED);
const atRandom = <Item>(items: readonly Item[]): Item => {
  const item = items[Math.floor(next() * items.length)];
  if (item === undefined) throw new Error("Nothing to choose from.");
  return item;
};

test.each(Array.from({ length: 40 }, (_, round) => [round, next(), next(), Math.floor(next() * 8)] as const))("byte flip %i", async (_, which, where, bit) => {
  const name = volumeNames()[Math.floor(which * volumeNames().length)] ?? "";
  const content = readFileSync(volumePath(name));
  const at = Math.floor(where * content.length);
  content[at] = (content[at] ?? 0) ^ (1 << bit);
  writeFileSync(volumePath(name), content);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED", field: name });
});

test.each(Array.from({ length: 12 }, (_, round) => [round, next(), next()] as const))("truncation %i", async (_, which, where) => {
  const name = volumeNames()[Math.floor(which * volumeNames().length)] ?? "";
  truncateSync(volumePath(name), Math.floor(where * statSync(volumePath(name)).size));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED", field: name });
});

test("bytes too many, an emptied volume, two volumes exchanged", async () => {
  const [one = "", two = "", three = ""] = volumeNames();
  appendFileSync(volumePath(one), "x");
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED", field: one });
  cpSync(join(good, one), volumePath(one));
  writeFileSync(volumePath(two), "");
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED", field: two });
  cpSync(join(good, two), volumePath(three));
  cpSync(join(good, three), volumePath(two));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED" });
});

test.each([0, 1, 2, 3])("volume %i is missing, or a folder", async (number) => {
  const name = volumeNames()[number] ?? "";
  rmSync(volumePath(name));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_MISSING", field: name });
  mkdirSync(volumePath(name));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_MISSING", field: name });
});

test.each([0, 1, 2, 3])("the index has another sha256 for volume %i", async (number) => {
  changeIndex((content) => Object.assign((content.volumes as { sha256: string }[])[number] ?? {}, { sha256: sha256("other") }));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_VOLUME_DAMAGED", field: volumeNames()[number] });
});

test.each<[string, (content: Record<string, unknown>) => void, string]>([
  ["a newer form", (content) => (content.format = 2), "ARCHIVE_NEWER"],
  ["another kind of file", (content) => (content.kind = "something"), "ARCHIVE_UNREADABLE"],
  ["no volumes", (content) => (content.volumes = []), "ARCHIVE_UNREADABLE"],
  ["a volume twice", (content) => (content.volumes = Array.from({ length: 2 }, () => (content.volumes as unknown[])[0])), "ARCHIVE_UNREADABLE"],
  ["a volume elsewhere", (content) => Object.assign((content.volumes as object[])[0] ?? {}, { name: "../studio/victim.txt" }), "ARCHIVE_UNREADABLE"],
  ["a volume with an absolute name", (content) => Object.assign((content.volumes as object[])[0] ?? {}, { name: "/etc/passwd" }), "ARCHIVE_UNREADABLE"],
  ["an id that leads out", (content) => (content.id = "../../escaped"), "ARCHIVE_UNREADABLE"],
  ["no hash of the list", (content) => delete content.manifestSha256, "ARCHIVE_UNREADABLE"],
  ["a wrong hash of the list", (content) => (content.manifestSha256 = sha256("other")), "ARCHIVE_DAMAGED"],
  ["another id", (content) => (content.id = "0.2.0-other"), "ARCHIVE_DAMAGED"],
  ["another number of files", (content) => (content.files = 3), "ARCHIVE_DAMAGED"],
])("index with %s", async (_, change, code) => {
  changeIndex(change);
  expect(await refusal()).toMatchObject({ code });
});

test.each([0, 1, 17, 300])("index cut off after %i bytes", async (bytes) => {
  truncateSync(index, bytes);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNREADABLE" });
});

test("an index that is a film, a folder, or not there", async () => {
  writeFileSync(index, noise(1_100_000, 3));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNREADABLE", why: "The file is far larger than an index." });
  rmSync(index);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNREADABLE" });
  mkdirSync(index);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNREADABLE" });
});

/** What somebody makes who can compute hashes: an archive whose volumes and list are as the index says, but whose content means harm or is wrong. */
async function forge(files: readonly { readonly path: string; readonly content: string; readonly sha256?: string; readonly bytes?: number }[], entries: (honest: Entry[]) => Entry[] = (honest) => honest, packed: (tar: Uint8Array) => Uint8Array = (tar) => tar): Promise<void> {
  const listed = files.map((file) => ({ path: file.path, bytes: file.bytes ?? Buffer.byteLength(file.content), sha256: file.sha256 ?? sha256(file.content), executable: false }));
  const manifest = JSON.stringify({ ...smallIdentity, packages: [], files: listed });
  const honest: Entry[] = [{ header: { name: "runtime.json", size: Buffer.byteLength(manifest), type: "file" }, body: manifest }, ...files.map((file): Entry => ({ header: { name: file.path, size: Buffer.byteLength(file.content), type: "file" }, body: file.content }))];
  const tar = await packTar(entries(honest));
  const volume = packed(brotliCompressSync(tar, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }));
  writeFileSync(volumePath("forged.001"), volume);
  writeFileSync(index, JSON.stringify({ kind: "avatar-studio-runtime", ...smallIdentity, files: files.length, unpackedBytes: tar.length, longestPath: 20, manifestSha256: sha256(manifest), volumes: [{ name: "forged.001", bytes: volume.length, sha256: sha256(volume) }] }));
}
const HARMLESS = [
  { path: "bin/python3", content: "one" },
  { path: "lib/two.py", content: "two" },
];
const file = (name: string, body = "evil"): Entry => ({ header: { name, size: Buffer.byteLength(body), type: "file" }, body });
const special = (type: "symlink" | "link" | "character-device" | "block-device" | "fifo" | "directory", name: string, linkname = ""): Entry => ({ header: { name, size: 0, type, linkname } });

test("a forged archive that is right in everything is installed: the cases below fail for their own reason", async () => {
  await forge(HARMLESS);
  const installed = await installRuntime({ archive: await openArchive(index), folder: runtimes, signal: new AbortController().signal, onProgress: () => undefined, probe: () => Promise.resolve() });
  expect(readFileSync(join(installed.folder, "lib/two.py"), "utf8")).toBe("two");
});

test.each([
  "../victim.txt", "../../studio/victim.txt", "lib/../../../victim.txt", "..", "lib/..", "/tmp/victim.txt", "//server/share", "C:/victim.txt", "c:victim.txt", "lib\\..\\..\\victim.txt", "lib//two.py", "lib/./two.py",
  "CON", "lib/nul.txt", "lib/COM1", "lib/ends.", "lib/ends ", "lib/a:b", "lib/a\u0000b", "lib/a\nb", "runtime.json", `lib/${"x".repeat(300)}`, "",
])("listed name %j", async (path) => {
  await forge([...HARMLESS, { path, content: "evil" }]);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNSAFE" });
});

test.each([
  ["the same name twice", ["lib/two.py"]],
  ["names that differ in case", ["LIB/Two.py"]],
  ["names that differ in how letters are composed", ["lib/\u00e9.py", "lib/e\u0301.py"]],
  ["a file that is also a folder", ["lib/two.py/three.py"]],
])("list with %s", async (_, more) => {
  await forge([...HARMLESS, ...more.map((path) => ({ path, content: "evil" }))]);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_UNSAFE" });
});

test.each<[string, (honest: Entry[]) => Entry[], string]>([
  ["a name that leads out", ([list, one]) => [list, one, file("../../victim.txt")] as Entry[], "ARCHIVE_UNSAFE"],
  ["an absolute name", ([list, one]) => [list, one, file("/tmp/avatar-studio-victim.txt")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a name with a drive", ([list, one]) => [list, one, file("C:/victim.txt")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a symbolic link in place of a file", ([list, one]) => [list, one, special("symlink", "lib/two.py", "../../../victim.txt")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a symbolic link in place of a folder, then a file in it", ([list, one, two]) => [list, one, special("symlink", "lib", "../../.."), two] as Entry[], "ARCHIVE_UNSAFE"],
  ["a hard link", ([list, one]) => [list, one, special("link", "lib/two.py", "../../victim.txt")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a character device", ([list, one]) => [list, one, special("character-device", "lib/two.py")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a block device", ([list, one]) => [list, one, special("block-device", "lib/two.py")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a pipe", ([list, one]) => [list, one, special("fifo", "lib/two.py")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a folder", ([list, one]) => [list, one, special("directory", "lib/")] as Entry[], "ARCHIVE_UNSAFE"],
  ["a link in place of the list", ([, one]) => [special("symlink", "runtime.json", "../victim.txt"), one] as Entry[], "ARCHIVE_DAMAGED"],
  ["a file twice", ([list, one]) => [list, one, one] as Entry[], "ARCHIVE_DAMAGED"],
  ["a file that is not listed", (honest) => [...honest, file("lib/more.py")], "ARCHIVE_DAMAGED"],
  ["files in another order", ([list, one, two]) => [list, two, one] as Entry[], "ARCHIVE_DAMAGED"],
  ["a file missing", ([list, one]) => [list, one] as Entry[], "ARCHIVE_DAMAGED"],
  ["no list", ([, one, two]) => [one, two] as Entry[], "ARCHIVE_DAMAGED"],
  ["nothing", () => [], "ARCHIVE_DAMAGED"],
  ["a file with other bytes", ([list, one]) => [list, one, file("lib/two.py", "TWO")] as Entry[], "ARCHIVE_DAMAGED"],
  ["a longer file", ([list, one]) => [list, one, file("lib/two.py", "two and more")] as Entry[], "ARCHIVE_DAMAGED"],
])("tar with %s", async (_, entries, code) => {
  await forge(HARMLESS, entries);
  expect(await refusal()).toMatchObject({ code });
});

test("compressed data that ends early, or is none", async () => {
  await forge(HARMLESS, undefined, (packed) => packed.subarray(0, packed.length - 9));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_DAMAGED" });
  await forge(HARMLESS, undefined, () => noise(5_000, 9));
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_DAMAGED" });
});

test("a wrong sha256 in the list", async () => {
  await forge([atRandom(HARMLESS), { path: "lib/three.py", content: "three", sha256: sha256("other") }]);
  expect(await refusal()).toMatchObject({ code: "ARCHIVE_DAMAGED" });
});
