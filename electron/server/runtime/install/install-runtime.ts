import { open } from "node:fs/promises";
import { join } from "node:path";
import { runProgram, cleanEnvironment } from "../../common/child-process.ts";
import type { RuntimeManifest } from "../archive/format.schema.ts";
import type { Archive } from "../archive/open-archive.ts";
import { unpackArchive } from "../archive/unpack-archive.ts";
import { verifyVolumes } from "../archive/verify-volumes.ts";
import { interpreterNames } from "../find-runtime.ts";
import { beginInstallation, type InstalledRuntime, installedRuntimes, removeRuntime } from "./runtimes-folder.ts";

export type InstallStep = "verifying" | "unpacking" | "trying" | "finishing";

export interface InstallRequest {
  readonly archive: Archive;
  /** Of all runtimes. */
  readonly folder: string;
  /** Tries out the interpreter; throws when it does not work. */
  readonly probe: (python: string, temporary: string, signal: AbortSignal) => Promise<unknown>;
  /** `done` of `total` bytes, over all steps. */
  readonly onProgress: (step: InstallStep, done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** The one before is kept to go back to. */
const KEPT = 2;
const FLUSH_MILLISECONDS = 300_000;

/**
 * Install an archive beside what is installed. Until the last rename nothing of it counts; a failure, a cancel or a kill leaves what was there before in use.
 * 1 volumes verified, 2 unpacked and each file compared, 3 tried out, 4 on the disk, 5 renamed, 6 all but the one before removed.
 * @throws FaultError of each step, or the signal's reason
 */
export async function installRuntime(request: InstallRequest): Promise<InstalledRuntime> {
  const { archive, folder, signal } = request;
  const packed = archive.index.volumes.reduce((sum, volume) => sum + volume.bytes, 0);
  const total = packed + archive.index.unpackedBytes;
  let done = 0;
  let step: InstallStep = "verifying";
  const begin = (next: InstallStep): void => request.onProgress((step = next), done, total);
  const onBytes = (bytes: number): void => request.onProgress(step, (done += bytes), total);

  const place = await beginInstallation(folder, archive.indexPath);
  begin("verifying");
  let installed: InstalledRuntime;
  try {
    await verifyVolumes(archive, onBytes, signal);
    begin("unpacking");
    const manifest = await unpackArchive(archive, place.tree, onBytes, signal);
    begin("trying");
    await request.probe(join(place.tree, interpreterNames(process.platform)[0] ?? ""), place.temporary, signal);
    begin("finishing");
    await flush(place.tree, manifest);
    signal.throwIfAborted();
    installed = await place.commit(archive.index.id);
  } catch (error) {
    await place.discard().catch(() => undefined);
    throw error;
  }
  // It counts already: what cannot be removed now is removed at another start.
  for (const old of (await installedRuntimes(folder)).slice(KEPT)) await removeRuntime(old).catch(() => undefined);
  return installed;
}

/** A power cut after the rename must not find empty files behind it. On Windows each file was flushed when it was written. */
async function flush(tree: string, manifest: RuntimeManifest): Promise<void> {
  if (process.platform === "win32") return;
  const synced = await runProgram({ command: "sync", args: [], env: cleanEnvironment(process.env) }, { timeoutMilliseconds: FLUSH_MILLISECONDS }).then(
    (end) => end.code === 0,
    () => false,
  );
  if (synced) return;
  for (const { path } of manifest.files) {
    const file = await open(join(tree, path), "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
