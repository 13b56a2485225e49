import { join } from "node:path";
import type { Quality } from "../../contract/document/project-document.schema.ts";

/** Where rendered clips lie in a project's folder. Take ids are safe as file names (see the document's schema). */
export function takeFolder(projectFolder: string, quality: Quality, takeId: string): string {
  return join(projectFolder, "renders", quality, takeId);
}

/** The studio's record of a take lies beside its folder, which holds the engine's files and nothing else. */
export function takeRecordPath(projectFolder: string, quality: Quality, takeId: string): string {
  return join(projectFolder, "renders", quality, `${takeId}.jsonl`);
}

/** Mixed sound for the engine, by content. Can be made anew at any time. */
export function mixFolder(projectFolder: string): string {
  return join(projectFolder, "cache", "mix");
}

/** As the engine names them. */
export function clipFileName(clip: number): string {
  return `clip_${String(clip).padStart(5, "0")}.m4s`;
}
export const INIT_FILE = "init.mp4";

/** The picture of the newest block, as the engine names it. */
export function newestPicturePath(projectFolder: string, quality: Quality, takeId: string): string {
  return join(takeFolder(projectFolder, quality, takeId), "newest.jpg");
}
export const CLIP_LIST_FILE = "clips.jsonl";
