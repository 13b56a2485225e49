import { constants } from "node:fs";
import { copyFile, link, mkdtemp, mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { FaultError } from "../common/fault-error.ts";
import type { ExportTake } from "./export-plan.ts";

/** A render beside the export may replace clips just then; it has to be met this often in a row. */
const ATTEMPTS = 5;

/**
 * Give `use` names of the planned clips that stay theirs while a render replaces them: links in a folder of the same disk.
 * `plan` is asked before and after linking; the links are right when both answers are the same.
 */
export async function withPinnedClips<Plan extends { readonly takes: readonly ExportTake[] }, Result>(projectFolder: string, plan: () => Promise<Plan>, use: (pinned: Plan) => Promise<Result>): Promise<Result> {
  const cache = join(projectFolder, "cache");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "export-"));
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const before = await plan();
      const attemptFolder = join(folder, String(attempt));
      const pinned = await pin(before.takes, attemptFolder);
      if (pinned !== null && JSON.stringify((await plan()).takes) === JSON.stringify(before.takes)) return await use({ ...before, takes: pinned });
      await rm(attemptFolder, { recursive: true, force: true });
    }
    throw new FaultError({ code: "EXPORT_CLIPS_CHANGING", what: "The export could not begin.", why: "Its clips are being rendered anew right now.", hint: "Wait until the render is done, then export again." });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Null when a clip vanished meanwhile. */
async function pin(takes: readonly ExportTake[], folder: string): Promise<ExportTake[] | null> {
  try {
    const pinned: ExportTake[] = [];
    for (const [index, take] of takes.entries()) {
      const takeFolder = join(folder, String(index));
      await mkdir(takeFolder, { recursive: true });
      const clips = [];
      for (const clip of take.clips) clips.push({ ...clip, path: await pinFile(clip.path, takeFolder) });
      pinned.push({ ...take, initPath: await pinFile(take.initPath, takeFolder), clips });
    }
    return pinned;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

async function pinFile(path: string, folder: string): Promise<string> {
  const pinned = join(folder, basename(path));
  try {
    await link(path, pinned);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") throw error;
    // Some disks know no links.
    await copyFile(path, pinned, constants.COPYFILE_FICLONE);
  }
  return pinned;
}
