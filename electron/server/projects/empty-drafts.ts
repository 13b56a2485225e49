import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { temporaryNameFor } from "../common/atomic-file.ts";
import { MEDIA_FOLDER } from "./media-files.ts";
import { parseProject, PROJECT_FILE } from "./project-file.ts";

/**
 * A new video is a project from its first moment on. When its page is closed before anything was added, it is nothing that anybody
 * would look for in the list.
 */

/** Made by us in every project; anything else in the folder was put there by somebody. */
const OWN_ENTRIES: ReadonlySet<string> = new Set([PROJECT_FILE, MEDIA_FOLDER, "cache"]);

/** Whether a project was never edited and holds no file, for at least `milliseconds`. */
export async function isEmptyDraft(folder: string, milliseconds: number, now: number): Promise<boolean> {
  try {
    const path = join(folder, PROJECT_FILE);
    const [entries, media, facts] = await Promise.all([readdir(folder), readdir(join(folder, MEDIA_FOLDER)).catch(() => []), stat(path)]);
    if (media.length > 0 || entries.some((entry) => !OWN_ENTRIES.has(entry)) || now - facts.mtimeMs < milliseconds) return false;
    const project = parseProject(await readFile(path, "utf8"));
    return project.kind === "ok" && project.revision === 0 && project.migratedFrom === null && project.document.media.length === 0 && project.document.prompts.length === 0;
  } catch {
    // What cannot be read is not ours to judge.
    return false;
  }
}

/** Deletes the folder: first it loses its name at one stroke, so that nobody meets a half of it. */
export async function removeDraft(folder: string): Promise<void> {
  const aside = temporaryNameFor(join(dirname(folder), "draft"));
  await rename(folder, aside);
  await rm(aside, { recursive: true, force: true });
}
