import { once } from "node:events";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { packArchive } from "../../build/package/runtime/pack.mjs";
import { silentLogger } from "../../electron/server/common/logger.ts";
import { archiveFolders, textOfInstaller } from "../../electron/server/runtime/archive/find-archives.ts";
import { findRuntime } from "../../electron/server/runtime/find-runtime.ts";
import { createRuntimeManager, type RuntimeManager } from "../../electron/server/runtime/runtime-manager.ts";
import { makeSmallArchive, smallIdentity } from "../support/small-runtime.ts";

const TORN_BYTES = 30_000;

let scratch: string;
let first: string;
let second: string;
/** Of one test. */
let place: string;
let found: string[];
let networkAllowed: boolean;
let changes: number;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "avatar-studio-manager-"));
  first = await makeSmallArchive(join(scratch, "first"), { seed: 1 });
  second = await makeSmallArchive(join(scratch, "second"), { seed: 2 });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(() => {
  place = mkdtempSync(join(scratch, "test 名前 "));
  [found, networkAllowed, changes] = [[], false, 0];
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const placesOf = () => ({ override: null, installation: join(place, "program"), installed: join(place, "runtimes") });

async function start(): Promise<RuntimeManager> {
  const [manager, close] = await createRuntimeManager({
    folder: join(place, "runtimes"),
    places: placesOf(),
    archiveFolders: () => Promise.resolve(found),
    engineVersion: "0.1.0",
    gpus: () => Promise.resolve({ driver: null, capabilities: [] }),
    networkAllowed: () => networkAllowed,
    onChanged: () => (changes += 1),
    logger: silentLogger,
  });
  onTestFinished(close);
  await manager.settled();
  return manager;
}

const fault = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no fault", (error: unknown) => (error as { readonly fault?: { readonly code: string } }).fault?.code);

async function installFound(manager: RuntimeManager): Promise<void> {
  const { recommended } = manager.state();
  if (recommended === null) throw new Error("Nothing is recommended.");
  await manager.install(recommended);
  await manager.settled();
}

test("the first start finds the archive; one act installs it, a second archive replaces it, and one can go back", async () => {
  found = [dirname(first)];
  const manager = await start();
  expect(manager.state()).toMatchObject({ current: null, archives: [{ name: smallIdentity.id, faults: [] }], activity: { kind: "idle" } });
  await installFound(manager);
  expect(manager.state()).toMatchObject({ current: { kind: "installed", name: smallIdentity.id }, previous: null, activity: { kind: "done", warning: null } });
  expect(changes).toBe(1);
  const used = (await findRuntime(placesOf())).folder;

  found = [dirname(second)];
  await manager.search();
  await installFound(manager);
  expect((await findRuntime(placesOf())).folder).not.toBe(used);
  expect(manager.state().previous).toBe(smallIdentity.id);
  await manager.goBack();
  expect((await findRuntime(placesOf())).folder).toBe(used);
  expect(await fault(manager.goBack())).toBe("RUNTIME_NO_PREVIOUS");
  expect(readdirSync(join(place, "runtimes"))).toEqual([basename(used)]);
});

test("a damaged file is found; a runtime without interpreter is passed over", async () => {
  found = [dirname(first)];
  const manager = await start();
  await installFound(manager);
  const { folder } = await findRuntime(placesOf());
  await manager.verify();
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "done", said: { code: "RUNTIME_VERIFIED" } });
  appendFileSync(join(folder, "lib/empty.py"), "#");
  await manager.verify();
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "failed", fault: { code: "RUNTIME_FILES_DAMAGED", why: "Missing or changed: lib/empty.py." } });
  // The repair installs it anew beside the damaged one.
  await manager.repair(() => undefined, new AbortController().signal);
  const mended = (await findRuntime(placesOf())).folder;
  expect(mended).not.toBe(folder);
  rmSync(join(mended, "bin"), { recursive: true });
  expect((await findRuntime(placesOf())).folder).toBe(folder);
});

test("what cannot be installed says why, and a program that does not start is not installed", async () => {
  const root = join(place, "other tree");
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin/python3"), "#!/bin/sh\necho 'ImportError: libtorch is broken' >&2\nexit 1\n", { mode: 0o755 });
  const { index } = await packArchive({ root, identity: smallIdentity, packages: [], output: join(place, "broken") });
  const foreign = await makeSmallArchive(join(place, "foreign"), { identity: { id: "0.9.0-other", engineVersion: "0.9.0" } });
  const manager = await start();
  expect(await fault(manager.repair(() => undefined, new AbortController().signal))).toBe("ARCHIVE_NOT_FOUND");
  expect(await fault(manager.install("nothing"))).toBe("ARCHIVE_UNKNOWN");
  expect(await fault(manager.install(await manager.add(foreign)))).toBe("RUNTIME_OTHER_VERSION");
  expect(await fault(manager.add(join(root, "bin/python3")))).toBe("ARCHIVE_UNREADABLE");
  await manager.install(await manager.add(index));
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "failed", fault: { code: "RUNTIME_DAMAGED", why: "ImportError: libtorch is broken" } });
  expect(readdirSync(join(place, "runtimes"))).toEqual([]);
});

test("an installation can be cancelled, and only one runs", async () => {
  found = [dirname(first)];
  const manager = await start();
  const { recommended } = manager.state();
  await manager.install(recommended ?? "");
  expect(await fault(manager.install(recommended ?? ""))).toBe("RUNTIME_BUSY");
  manager.cancel();
  await manager.settled();
  expect(manager.state()).toMatchObject({ current: null, activity: { kind: "idle" } });
  expect(readdirSync(join(place, "runtimes"))).toEqual([]);
});

test("the data folder may be reached through a link, but not lie in the program's folder", async () => {
  mkdirSync(join(place, "program", "inner"), { recursive: true });
  symlinkSync(join(place, "program", "inner"), join(place, "runtimes"));
  found = [dirname(first)];
  const manager = await start();
  expect(manager.state().archives[0]?.faults.map((one) => one.code)).toEqual(["RUNTIME_FOLDER_IN_PROGRAM"]);
});

test("archives are found beside an AppImage, where an installer lay, and among downloads with a name of the user's language", async () => {
  for (const name of ["apps", "usb", "home/下载", "home/.config"]) mkdirSync(join(place, name), { recursive: true });
  mkdirSync(join(place, "program"), { recursive: true });
  writeFileSync(join(place, "program", "installer-folder.txt"), `${join(place, "usb")}\r\n`);
  writeFileSync(join(place, "home/.config/user-dirs.dirs"), '# made by xdg\nXDG_DOWNLOAD_DIR="$HOME/下载"\n');
  const folders = await archiveFolders({ platform: "linux", executable: "/tmp/.mount_x/studio", installation: join(place, "program"), home: join(place, "home"), user: "nobody", environment: { APPIMAGE: join(place, "apps", "Studio.AppImage") } });
  expect(folders).toEqual(expect.arrayContaining([join(place, "apps"), place, join(place, "program"), join(place, "usb"), join(place, "home/下载")]));
  expect(folders).not.toContain("/tmp/.mount_x");
});

test("a note of the Windows installer is read with its mark, in any script", () => {
  expect(textOfInstaller(Buffer.from("\ufeffD:\\安装\r\n", "utf16le"))).toBe("D:\\安装");
  expect(textOfInstaller(Buffer.from("/media/usb\n", "utf8"))).toBe("/media/usb");
});

/** A server of one folder; `disturb` may answer instead. */
async function serveFolder(folder: string, disturb: (request: IncomingMessage, response: ServerResponse) => boolean): Promise<{ readonly address: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url ?? ""} ${request.headers.range ?? ""}`.trim());
    if (disturb(request, response)) return;
    const content = readFileSync(join(folder, basename(request.url ?? "")));
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, from > 0 ? { "Content-Range": `bytes ${String(from)}-${String(content.length - 1)}/${String(content.length)}` } : {});
    response.end(content.subarray(from));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { address: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/${basename(first)}`, asked };
}

test("an address is used only when the network is on; a torn download goes on behind what it has", async () => {
  const volume = readdirSync(dirname(first)).find((name) => name.endsWith(".002")) ?? "";
  const content = readFileSync(join(dirname(first), volume));
  let torn = 0;
  const { address, asked } = await serveFolder(dirname(first), (request, response) => {
    if (request.url !== `/${volume}` || torn > 0) return false;
    torn += 1;
    response.writeHead(200, { "Content-Length": String(content.length) });
    response.write(content.subarray(0, TORN_BYTES));
    // The connection breaks once these bytes are on the disk.
    const part = join(place, "runtimes", "download", `${volume}.part`);
    void vi.waitFor(() => expect(statSync(part).size).toBe(TORN_BYTES), { timeout: 10_000 }).finally(() => response.destroy());
    return true;
  });
  const manager = await start();
  expect(await fault(manager.installFrom(address))).toBe("RUNTIME_NETWORK_OFF");
  expect(asked).toEqual([]);
  networkAllowed = true;
  await manager.installFrom(address);
  await manager.settled();
  expect(manager.state()).toMatchObject({ current: { kind: "installed" }, activity: { kind: "done" } });
  // What had come was not asked for again.
  const ranges = asked.filter((one) => one.startsWith(`/${volume} `));
  expect(ranges).toEqual([`/${volume} bytes=${String(TORN_BYTES)}-`]);
  expect(readdirSync(join(place, "runtimes")).filter((name) => name === "download")).toEqual([]);
});

test("a server that gives other bytes, or none, is named", async () => {
  networkAllowed = true;
  const manager = await start();
  for (const [address, code] of [["http://example.org/a.json", "ADDRESS_UNUSABLE"], ["https://example.org/a.zip", "ADDRESS_UNUSABLE"], ["file:///etc/passwd.json", "ADDRESS_UNUSABLE"], ["", "ADDRESS_UNUSABLE"]] as const) {
    await manager.installFrom(address);
    await manager.settled();
    expect(manager.state().activity, address).toMatchObject({ kind: "failed", fault: { code } });
  }
  const damaged = join(place, "damaged");
  cpSync(dirname(first), damaged, { recursive: true });
  const volume = readdirSync(damaged).find((name) => name.endsWith(".001")) ?? "";
  const bytes = readFileSync(join(damaged, volume));
  bytes[77] = (bytes[77] ?? 0) ^ 1;
  writeFileSync(join(damaged, volume), bytes);
  const bad = await serveFolder(damaged, () => false);
  await manager.installFrom(bad.address);
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "failed", fault: { code: "ARCHIVE_VOLUME_DAMAGED", field: volume } });
  const gone = await serveFolder(damaged, (_, response) => Boolean(response.writeHead(503).end()));
  await manager.installFrom(gone.address);
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "failed", fault: { code: "DOWNLOAD_FAILED" } });
  expect(manager.state().current).toBeNull();
});

test("the same tree gives the same archive, wherever and whenever it is made", async () => {
  const again = await makeSmallArchive(join(place, "again"), { seed: 1 });
  expect(readFileSync(again)).toEqual(readFileSync(first));
  for (const name of readdirSync(dirname(first))) expect(readFileSync(join(dirname(again), name)).equals(readFileSync(join(dirname(first), name))), name).toBe(true);
  expect(readdirSync(dirname(first)).length).toBeGreaterThan(3);
  // Moved, as on a stick.
  renameSync(dirname(again), join(place, "stick"));
  const manager = await start();
  await manager.install(await manager.add(join(place, "stick", basename(again))));
  await manager.settled();
  expect(manager.state().activity).toMatchObject({ kind: "done" });
});
