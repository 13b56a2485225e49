import { constants } from "node:fs";
import { copyFile, lstat, mkdir, open, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { bytesText, MEGABYTE } from "../../contract/byte-size.ts";
import { type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { moveIntoPlace, replaceAtomically, temporaryNameFor, writeFileAtomically } from "../common/atomic-file.ts";
import { FaultError } from "../common/fault-error.ts";
import { freeName, safeFileName } from "./folder-names.ts";
import { MEDIA_FOLDER } from "./media-files.ts";
import { PROJECT_ENDING, PROJECT_FILE, projectText } from "./project-file.ts";
import { type TarEntry, tarBytes, writeTar } from "./tar-writer.ts";

const RESERVE_BYTES = 100 * MEGABYTE;

/** A file of a project, with its name relative to the project's folder. */
interface ProjectPart {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly changedAt: number;
}

/** Makes a project's folder, whole or not at all; `fill` puts media into it and answers the document. Answers the folder. */
export async function createProjectFolder(parent: string, name: string, fill: (folder: string) => Promise<ProjectDocument>): Promise<string> {
  await mkdir(parent, { recursive: true });
  const unfinished = temporaryNameFor(join(parent, "project"));
  try {
    await mkdir(join(unfinished, MEDIA_FOLDER), { recursive: true });
    await writeFileAtomically(join(unfinished, PROJECT_FILE), projectText(await fill(unfinished), 0));
    const folder = join(parent, await freeName(parent, safeFileName(name, "Project")));
    await moveIntoPlace(unfinished, folder);
    return folder;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** A copy of a project with its media and, where the disk has room, its rendered clips. Answers the folder. Throws DISK_FULL. */
export async function duplicateProject(folder: string, parent: string, document: ProjectDocument): Promise<string> {
  const media = await mediaParts(folder, document);
  await refuseWithoutSpace(parent, bytesOf(media));
  const renders = await filesBelow(folder, "renders");
  const withRenders = await hasSpace(parent, bytesOf(media) + 2 * bytesOf(renders));
  return createProjectFolder(parent, document.name, async (to) => {
    await copyParts(withRenders ? [...media, ...renders] : media, to);
    return document;
  });
}

/** A copy with media, without clips, in the folder `target`, which must not exist or be empty. Throws TARGET_TAKEN or DISK_FULL. */
export async function collectToFolder(folder: string, document: ProjectDocument, target: string): Promise<void> {
  const media = await mediaParts(folder, document);
  const inside = await readdir(target).catch(() => []);
  if (inside.length > 0) throw new FaultError({ code: "TARGET_TAKEN", what: "The project was not copied.", why: "There is something at the chosen place already.", hint: "Choose a new name or an empty folder.", field: "target" });
  await mkdir(target, { recursive: true });
  await refuseWithoutSpace(target, bytesOf(media));
  const unfinished = temporaryNameFor(join(target, "copy"));
  try {
    await mkdir(join(unfinished, MEDIA_FOLDER), { recursive: true });
    await copyParts(media, unfinished);
    await moveIntoPlace(join(unfinished, MEDIA_FOLDER), join(target, MEDIA_FOLDER));
    // Last: a folder without it is no project.
    await writeFileAtomically(join(target, PROJECT_FILE), projectText(document, 0));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** The same as a tar archive at `target`. */
export async function collectToArchive(folder: string, document: ProjectDocument, target: string): Promise<void> {
  const text = temporaryNameFor(`${target}${PROJECT_ENDING}`);
  await writeFileAtomically(text, projectText(document, 0));
  try {
    const root = safeFileName(document.name, "Project");
    const own: ProjectPart = { name: PROJECT_FILE, path: text, ...(await factsOf(text)) };
    const entries: TarEntry[] = [own, ...(await mediaParts(folder, document))].map((part) => ({ ...part, name: `${root}/${part.name}` }));
    await refuseWithoutSpace(join(target, ".."), tarBytes(entries));
    await replaceAtomically(target, (file) => writeTar(file, entries));
  } finally {
    await rm(text, { force: true });
  }
}

/** The media that the document names and that are plain files of the project; links are not followed, missing ones left out. */
async function mediaParts(folder: string, document: ProjectDocument): Promise<readonly ProjectPart[]> {
  const names = new Set(document.media.map((media) => media.path));
  return (await filesBelow(folder, MEDIA_FOLDER)).filter((part) => names.has(part.name));
}

async function filesBelow(folder: string, inside: string): Promise<readonly ProjectPart[]> {
  const entries = await readdir(join(folder, inside), { withFileTypes: true }).catch(() => []);
  const parts = await Promise.all(
    entries.map(async (entry) => {
      const name = `${inside}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(folder, name);
      return entry.isFile() ? [{ name, path: join(folder, name), ...(await factsOf(join(folder, name))) }] : [];
    }),
  );
  return parts.flat();
}

async function factsOf(path: string): Promise<{ readonly bytes: number; readonly changedAt: number }> {
  const facts = await lstat(path);
  return { bytes: facts.size, changedAt: facts.mtimeMs };
}

async function copyParts(parts: readonly ProjectPart[], to: string): Promise<void> {
  for (const part of parts) {
    const path = join(to, part.name);
    await mkdir(join(path, ".."), { recursive: true });
    await copyFile(part.path, path, constants.COPYFILE_FICLONE);
    const file = await open(path, "r+");
    await file.sync().finally(() => file.close());
  }
}

function bytesOf(parts: readonly ProjectPart[]): number {
  return parts.reduce((sum, part) => sum + part.bytes, 0);
}

async function hasSpace(folder: string, bytes: number): Promise<boolean> {
  const disk = await statfs(folder);
  return disk.bavail * disk.bsize - bytes >= RESERVE_BYTES;
}

async function refuseWithoutSpace(folder: string, bytes: number): Promise<void> {
  if (await hasSpace(folder, bytes)) return;
  throw new FaultError({ code: "DISK_FULL", what: "The project was not copied.", why: `The copy needs ${bytesText(bytes)}, and the disk has too little space left.`, hint: "Free some space, or choose another disk.", field: "target" });
}
