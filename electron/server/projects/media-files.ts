import { lstat, readdir, realpath, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { FaultError } from "../common/fault-error.ts";

export const MEDIA_FOLDER = "media";

/**
 * The path of an imported file. It must be a plain file of the project's own media folder: a project from somebody else could hold a link to any file
 * of this machine, which would then be shown and rendered. Throws MEDIA_UNKNOWN or MEDIA_MISSING.
 */
export async function mediaPath(folder: string, document: ProjectDocument, mediaId: string): Promise<string> {
  const media = document.media.find((one) => one.id === mediaId);
  if (media === undefined) throw new FaultError({ code: "MEDIA_UNKNOWN", what: "The file is not part of the project.", why: "It was removed from it.", hint: "Reload the page.", field: "mediaId" });
  const path = join(folder, media.path);
  if (await isOwnFile(folder, path)) return path;
  throw new FaultError({ code: "MEDIA_MISSING", what: `"${media.name}" is missing.`, why: "Its file is not in the project's media folder any more.", hint: "Choose the file again with \"Locate missing file\".", field: "mediaId" });
}

async function isOwnFile(folder: string, path: string): Promise<boolean> {
  try {
    const [realFolder, real, facts] = await Promise.all([realpath(folder), realpath(path), lstat(path)]);
    return facts.isFile() && real.startsWith(realFolder + sep + MEDIA_FOLDER + sep);
  } catch {
    return false;
  }
}

/** Ids of the media whose file is not there; looks into the folder once, however many there are. */
export async function missingMedia(folder: string, document: ProjectDocument): Promise<readonly string[]> {
  if (document.media.length === 0) return [];
  const present = await plainFiles(folder);
  return document.media.filter((media) => !present.has(media.path)).map((media) => media.id);
}

async function plainFiles(folder: string): Promise<ReadonlySet<string>> {
  try {
    const inside = join(folder, MEDIA_FOLDER);
    const [realFolder, realInside] = await Promise.all([realpath(folder), realpath(inside)]);
    if (realInside !== join(realFolder, MEDIA_FOLDER)) return new Set();
    const entries = await readdir(inside, { withFileTypes: true });
    return new Set(entries.filter((entry) => entry.isFile()).map((entry) => `${MEDIA_FOLDER}/${entry.name}`));
  } catch {
    return new Set();
  }
}

/** As the import names files; anything else in the folder was put there by somebody and is left alone. */
const IMPORTED = /-[0-9a-f]{8}\.[a-z0-9]{1,5}$/;
/** Long enough for every window that may still undo to be closed. */
const UNUSED_MILLISECONDS = 7 * 24 * 60 * 60 * 1000;

/** Deletes imported files that neither the document nor any of `texts` (its backups) names, a week after they were made. Never throws. */
export async function removeUnusedMedia(folder: string, document: ProjectDocument, texts: AsyncIterable<{ readonly text: string }>, now: number): Promise<void> {
  const named = new Set(document.media.map((media) => media.path));
  const unused = new Set([...(await plainFiles(folder))].filter((path) => IMPORTED.test(path) && !named.has(path)));
  if (unused.size === 0) return;
  for await (const { text } of texts) for (const path of unused) if (text.includes(JSON.stringify(path))) unused.delete(path);
  for (const path of unused) {
    const facts = await lstat(join(folder, path)).catch(() => null);
    if (facts !== null && now - facts.ctimeMs > UNUSED_MILLISECONDS) await rm(join(folder, path), { force: true }).catch(() => undefined);
  }
}
