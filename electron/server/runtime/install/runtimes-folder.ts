import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { moveIntoPlace, writeJsonAtomically } from "../../common/atomic-file.ts";
import { MANIFEST_NAME } from "../archive/format.schema.ts";

/**
 * The folder of installed runtimes. Its names are its whole state (docs/decisions/0016-runtime-archive.md):
 *   `3-<id>`          installed, whole; the highest number is used, the one below kept to go back to
 *   `4.partial`       being made; worthless after a crash but for `source.json`, which says from where
 *   `3-<id>.removed`  being deleted
 */
const INSTALLED = /^(\d{1,6})-([0-9A-Za-z][0-9A-Za-z.+-]{0,79})$/;
const PARTIAL = /^(\d{1,6})\.partial$/;
const REMOVED = ".removed";

export interface InstalledRuntime {
  readonly number: number;
  readonly id: string;
  readonly folder: string;
}

/** Where one installation works. */
export interface Workplace {
  /** The runtime grows here. */
  readonly tree: string;
  /** Temporary files of the programs that are tried out: on the same disk, not wherever the system has little room. */
  readonly temporary: string;
  readonly commit: (id: string) => Promise<InstalledRuntime>;
  readonly discard: () => Promise<void>;
}

const sourceSchema = z.object({ index: z.string() });

/** Installed runtimes, the newest first. A folder that cannot be read has none. */
export async function installedRuntimes(folder: string): Promise<readonly InstalledRuntime[]> {
  const names = await readdir(folder).catch(() => []);
  const found = names.flatMap((name) => {
    const match = INSTALLED.exec(name);
    return match === null || name.endsWith(REMOVED) ? [] : [{ number: Number(match[1]), id: match[2] ?? "", folder: join(folder, name) }];
  });
  return found.sort((one, other) => other.number - one.number);
}

/**
 * The index files of the archives whose installation was cut off, newest first. Changes nothing: a cut-off installation is forgotten only when it has been begun anew.
 */
export async function cutOffInstallations(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const installed = new Set((await installedRuntimes(folder)).map((runtime) => runtime.number));
  const numbers = names.flatMap((name) => PARTIAL.exec(name)?.[1] ?? []).map(Number);
  // One that was renamed before it was cut off is installed: there is nothing to do but sweep.
  const cutOff = numbers.filter((number) => !installed.has(number)).sort((one, other) => other - one);
  const sources = await Promise.all(cutOff.map((number) => readSource(join(folder, `${String(number)}.partial`))));
  return sources.filter((source) => source !== null);
}

/** Deletes half-made and half-deleted runtimes, but for the one that is being made. Leaves what is installed alone, so it can itself be cut off at any point. */
export async function sweepRuntimes(folder: string, keep: string | null = null): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if ((PARTIAL.test(name) && name !== keep) || name.endsWith(REMOVED)) await rm(join(folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A place for a new installation from this archive. */
export async function beginInstallation(folder: string, indexPath: string): Promise<Workplace> {
  await mkdir(folder, { recursive: true });
  const taken = (await readdir(folder)).map((name) => Number(/^\d{1,6}(?=[-.])/.exec(name)?.[0] ?? 0));
  const number = Math.max(0, ...taken) + 1;
  const name = `${String(number)}.partial`;
  const place = join(folder, name);
  await mkdir(join(place, "tmp"), { recursive: true });
  await writeJsonAtomically(join(place, "source.json"), { index: indexPath });
  await sweepRuntimes(folder, name);
  const discard = (): Promise<void> => rm(place, { recursive: true, force: true, maxRetries: 5 });
  const commit = async (id: string): Promise<InstalledRuntime> => {
    const final = join(folder, `${String(number)}-${id}`);
    // From this rename on the runtime is there; before it, it is not.
    await moveIntoPlace(join(place, "tree"), final);
    await discard();
    return { number, id, folder: final };
  };
  return { tree: join(place, "tree"), temporary: join(place, "tmp"), commit, discard };
}

/** Take a runtime away. Under another name first: a half-deleted one is never taken for a whole one. */
export async function removeRuntime(runtime: InstalledRuntime): Promise<void> {
  const aside = `${runtime.folder}${REMOVED}`;
  await moveIntoPlace(runtime.folder, aside);
  await rm(aside, { recursive: true, force: true, maxRetries: 5 });
}

/** Whether a runtime still has its list of files, the first thing that was written and a sign that nobody has emptied it. */
export async function hasManifest(folder: string): Promise<boolean> {
  return readFile(join(folder, MANIFEST_NAME)).then(
    (content) => content.length > 0,
    () => false,
  );
}

async function readSource(place: string): Promise<string | null> {
  try {
    return sourceSchema.parse(JSON.parse(await readFile(join(place, "source.json"), "utf8"))).index;
  } catch {
    return null;
  }
}
