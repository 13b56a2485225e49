import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { FaultError, fileFault } from "./fault-error.ts";
import { identityOf, type ProcessIdentity } from "./process-identity.ts";

/** Everything the studio keeps lies below one folder. */
export interface DataFolder {
  readonly path: string;
  readonly projects: string;
  readonly jobs: string;
  readonly uploads: string;
  readonly downloads: string;
  readonly wastebasket: string;
  readonly logs: string;
  /** Can be made anew at any time. */
  readonly cache: string;
}

/** Where the platform wants programs to keep their data. */
export function defaultDataFolder(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv, home: string): string {
  const absolute = (path: string | undefined): string | null => (path !== undefined && path !== "" && resolve(path) === path ? path : null);
  if (platform === "win32") return join(absolute(environment.LOCALAPPDATA) ?? absolute(environment.APPDATA) ?? join(home, "AppData", "Local"), "Avatar Studio");
  if (platform === "darwin") return join(home, "Library", "Application Support", "Avatar Studio");
  return join(absolute(environment.XDG_DATA_HOME) ?? join(home, ".local", "share"), "avatar-studio");
}

/**
 * Makes the folder and takes its lock. Throws DATA_FOLDER_IN_USE when another server holds it, DATA_FOLDER_UNUSABLE when it cannot be written.
 * The returned function gives the lock back.
 */
export async function openDataFolder(path: string): Promise<readonly [DataFolder, () => Promise<void>]> {
  try {
    await mkdir(path, { recursive: true });
    const real = await realpath(path);
    const folder = (name: string): string => join(real, name);
    const folders: DataFolder = { path: real, projects: folder("projects"), jobs: folder("jobs"), uploads: folder("uploads"), downloads: folder("downloads"), wastebasket: folder("wastebasket"), logs: folder("logs"), cache: folder("cache") };
    const release = await lockFolder(real);
    // Uploads and downloads of an earlier run belong to nobody any more.
    for (const passing of [folders.uploads, folders.downloads]) await rm(passing, { recursive: true, force: true });
    for (const one of [folders.projects, folders.jobs, folders.uploads, folders.downloads, folders.wastebasket, folders.logs, folders.cache]) await mkdir(one, { recursive: true, mode: 0o700 });
    return [folders, release] as const;
  } catch (error) {
    if (error instanceof FaultError) throw error;
    throw new FaultError(
      { code: "DATA_FOLDER_UNUSABLE", what: `The data folder cannot be used: ${path}`, why: fileFault(error)?.why ?? "The system reports an error.", hint: "Choose another folder with --data-dir, or check its permissions and the free space." },
      { cause: error },
    );
  }
}

/** `server-<pid>-<start time>-<machine>.lock`, the last two as short hashes: the name alone tells which process it stands for, also while it is empty. */
const LOCK = /^server-(\d{1,10})-([0-9a-f]{12})-([0-9a-f]{8})\.lock$/;
const TIE_WAITS_MILLISECONDS = [60, 150, 350] as const;

/**
 * Every server announces itself with a file named after itself and then looks for others. Files of servers that are gone are removed: their name
 * belongs to exactly one dead process, so two servers that clean up at once do no harm. Of two that start at once both may step back;
 * they try again after different waits.
 */
async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const identity = await identityOf(process.pid);
  if (identity === null) throw new Error("The system does not tell this process's own start time.");
  const own = lockName(identity);
  const content = { pid: identity.pid, host: hostname(), startedAt: new Date().toISOString() };
  for (let attempt = 0; ; attempt += 1) {
    await writeFile(join(folder, own), `${JSON.stringify(content)}\n`, { mode: 0o600 });
    const other = await otherHolder(folder, own);
    if (other === null) return () => rm(join(folder, own), { force: true });
    await rm(join(folder, own), { force: true });
    const wait = TIE_WAITS_MILLISECONDS[attempt];
    if (wait === undefined) throw inUse(other, await readFile(join(folder, other), "utf8").catch(() => ""));
    await delay(wait + (identity.pid % 7) * 20);
  }
}

/** The lock of another server that runs, or that nobody can prove to be gone. */
async function otherHolder(folder: string, own: string): Promise<string | null> {
  for (const name of await readdir(folder)) {
    const pid = LOCK.exec(name)?.[1];
    if (pid === undefined || name === own) continue;
    if (!(await isProvablyGone(name, Number(pid)))) return name;
    await rm(join(folder, name), { force: true });
  }
  return null;
}

async function isProvablyGone(name: string, pid: number): Promise<boolean> {
  if (!name.endsWith(`-${shortHash(hostname(), 8)}.lock`)) return false;
  try {
    const running = await identityOf(pid);
    return running === null || lockName(running) !== name;
  } catch {
    return false;
  }
}

function lockName(identity: ProcessIdentity): string {
  return `server-${String(identity.pid)}-${shortHash(identity.startTime, 12)}-${shortHash(hostname(), 8)}.lock`;
}

function shortHash(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}

const contentSchema = z.object({ pid: z.int(), host: z.string().max(300), startedAt: z.string().max(40) });

function inUse(name: string, content: string): FaultError {
  const holder = parsed(content);
  const who = holder === null ? `Its lock is ${name} in the data folder.` : `It is process ${String(holder.pid)} on ${holder.host}, started ${holder.startedAt}.`;
  return new FaultError({
    code: "DATA_FOLDER_IN_USE",
    what: "Another Avatar Studio uses this data folder.",
    why: `Two servers on one folder would overwrite each other's work. ${who}`,
    hint: `Use the one that runs, end it first, or choose another folder with --data-dir. If it surely does not run any more, remove ${name} from the data folder.`,
  });
}

function parsed(content: string): z.infer<typeof contentSchema> | null {
  try {
    return contentSchema.parse(JSON.parse(content));
  } catch {
    return null;
  }
}
