import { constants } from "node:fs";
import { access, realpath, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PreflightFacts } from "./preflight.ts";

export interface GpuFacts {
  readonly driver: string | null;
  readonly capabilities: readonly (string | null)[];
}

export interface FactsRequest {
  readonly folder: string;
  readonly program: string;
  readonly engineVersion: string;
  readonly gpus: GpuFacts;
  readonly toDownloadBytes: number;
  readonly environment: NodeJS.ProcessEnv;
}

/** Variables by which programs that sync tell their folder. */
const SYNCED = ["OneDrive", "OneDriveConsumer", "OneDriveCommercial"];

/** Measure what {@link PreflightFacts} holds. Never throws. */
export async function gatherFacts(request: FactsRequest): Promise<PreflightFacts> {
  const existing = await nearestExisting(request.folder);
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: glibcVersion(),
    engineVersion: request.engineVersion,
    ...request.gpus,
    folder: existing.resolved,
    writable: await isWritable(existing.folder),
    freeBytes: await freeBytes(existing.folder),
    toDownloadBytes: request.toDownloadBytes,
    program: await realpath(request.program).catch(() => request.program),
    syncedFolders: SYNCED.flatMap((name) => request.environment[name] ?? []),
  };
}

/** The first folder upwards that is there, and the wanted one with the links of that part resolved. */
async function nearestExisting(folder: string): Promise<{ readonly folder: string; readonly resolved: string }> {
  const missing: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null) return { folder: real, resolved: join(real, ...missing) };
    if (dirname(at) === at) return { folder: at, resolved: folder };
    missing.unshift(basename(at));
  }
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What this user may still write; null where the system does not tell. */
async function freeBytes(folder: string): Promise<number | null> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
}

function glibcVersion(): string | null {
  // Otherwise it would look up the names of whom we are connected with.
  Object.assign(process.report, { excludeNetwork: true });
  const report: unknown = process.report.getReport();
  if (typeof report !== "object" || report === null || !("header" in report)) return null;
  const { header } = report;
  return typeof header === "object" && header !== null && "glibcVersionRuntime" in header && typeof header.glibcVersionRuntime === "string" ? header.glibcVersionRuntime : null;
}
