import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";

export interface ModelFolder {
  /** Stays the same as long as the folder stays where it is. */
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** The entry of the settings that led to it. */
  readonly searched: string;
}

/** A folder of checkpoints may lie beside much else. */
const MOST_ENTRIES = 1_000;

/**
 * The checkpoints below the folders of the settings: the folder itself when it is one, else those directly in it. A folder that is not there, or holds none,
 * comes back itself, so that the user sees it.
 */
export async function findModelFolders(searched: readonly string[]): Promise<readonly ModelFolder[]> {
  const found = await Promise.all(searched.map(async (folder) => ((await isCheckpoint(folder)) ? [folder] : orItself(folder, await checkpointsIn(folder))).map((path) => describe(path, folder))));
  const byId = new Map(found.flat().map((one) => [one.id, one]));
  return [...byId.values()];
}

const orItself = (folder: string, inside: readonly string[]): readonly string[] => (inside.length === 0 ? [folder] : inside);

/** The models directly in a folder, also those that are not finished; none when it is not there. */
export async function modelsIn(folder: string): Promise<readonly ModelFolder[]> {
  return (await checkpointsIn(folder)).map((path) => describe(path, folder));
}

export function describe(path: string, searched: string): ModelFolder {
  return { id: `folder-${createHash("sha256").update(path).digest("hex").slice(0, 16)}`, name: basename(path), path, searched };
}

async function checkpointsIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.slice(0, MOST_ENTRIES).filter((entry) => !entry.isFile() && !entry.name.startsWith("."));
  const paths = folders.map((entry) => join(folder, entry.name)).sort();
  const judged = await Promise.all(paths.map(isCheckpoint));
  return paths.filter((_, index) => judged[index]);
}

/** The published layout has the denoiser's configuration and weights at its top; what the studio brings has its record from the beginning. */
async function isCheckpoint(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.includes(".model-store") || names.includes("config.json") && names.some((name) => /^diffusion_pytorch_model.*\.safetensors(\.index\.json)?$/.test(name));
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}
