import { createHash, randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, mkdir, open, rm, stat, statfs } from "node:fs/promises";
import { extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { MEGABYTE } from "../../contract/byte-size.ts";
import { assertNever } from "../../contract/assert-never.ts";
import { type MediaFile, mediaFileSchema } from "../../contract/document/project-document.schema.ts";
import { moveIntoPlace, syncFolder, temporaryNameFor } from "../common/atomic-file.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { safeFileName } from "./folder-names.ts";
import { MEDIA_FOLDER } from "./media-files.ts";

/** What the media capability finds in a file. */
export type ProbedMedia = { readonly kind: "image"; readonly width: number; readonly height: number } | { readonly kind: "audio"; readonly samples: number; readonly sampleRate: number; readonly channels: number } | { readonly kind: "captions"; readonly captions: number; readonly milliseconds: number };
export type Probe = (path: string) => Promise<ProbedMedia>;

/** A file to bring in, under the name the user knows. */
export interface MediaSource {
  readonly path: string;
  readonly name: string;
}

/** So much stays free on the disk. */
const RESERVE_BYTES = 100 * MEGABYTE;
const KNOWN_ENDINGS = /^\.(jpe?g|png|webp|wav|wave|mp3|flac|m4a|aac|ogg|oga|opus|mp4|mov|mkv|webm|srt|vtt)$/;

/**
 * Copies a file into a project's media folder and describes it. The copy is described, not the source, which may change meanwhile.
 * Throws the faults of `probe`, MEDIA_NOT_FOUND, or DISK_FULL; nothing is left then.
 */
export async function importMedia(folder: string, source: MediaSource, probe: Probe): Promise<MediaFile> {
  const copy = await copyIn(folder, source);
  try {
    const facts = await probe(copy.path);
    const id = randomUUID();
    const path = `${MEDIA_FOLDER}/${storedName(source.name, id)}`;
    await moveIntoPlace(copy.path, join(folder, path));
    return mediaFileSchema.parse({ id, path, name: source.name.slice(0, 300), bytes: copy.bytes, sha256: copy.sha256, ...describing(facts) });
  } finally {
    await copy.discard();
  }
}

/**
 * Puts a found file in the place of a missing one. The same content takes the old path; other content, with `force`, gets a new one.
 * Throws MEDIA_DIFFERENT.
 */
export async function locateMedia(folder: string, media: MediaFile, source: MediaSource, force: boolean, probe: Probe): Promise<MediaFile> {
  const copy = await copyIn(folder, source);
  try {
    const facts = await probe(copy.path);
    if (facts.kind !== media.kind) throw new FaultError({ code: "MEDIA_DIFFERENT", what: `"${source.name}" cannot take the place of "${media.name}".`, why: NOT_OF_KIND[media.kind], hint: "Choose another file.", field: "source" });
    const same = copy.sha256 === media.sha256;
    if (!same && !force) throw new FaultError({ code: "MEDIA_DIFFERENT", what: `"${source.name}" is not the missing file.`, why: "Its content differs from that of the file that was imported.", hint: "Choose another one, or use it anyway: clips made from it become stale.", field: "source" });
    const path = same ? media.path : `${MEDIA_FOLDER}/${storedName(source.name, randomUUID())}`;
    await moveIntoPlace(copy.path, join(folder, path));
    return same ? media : mediaFileSchema.parse({ ...media, path, name: source.name.slice(0, 300), bytes: copy.bytes, sha256: copy.sha256, ...describing(facts) });
  } finally {
    await copy.discard();
  }
}

interface Copy {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly discard: () => Promise<void>;
}

/** Into a folder of its own, so that the copy can bear the user's name in messages about it. */
async function copyIn(folder: string, source: MediaSource): Promise<Copy> {
  const media = join(folder, MEDIA_FOLDER);
  await mkdir(media, { recursive: true });
  await refuseWithoutSpace(media, source);
  const inside = temporaryNameFor(join(media, "import"));
  const discard = (): Promise<void> => rm(inside, { recursive: true, force: true });
  try {
    await mkdir(inside);
    const path = join(inside, safeFileName(source.name, "media"));
    // On file systems that can, the copy shares its blocks with the source.
    await copyFile(source.path, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    const [facts, sha256] = await Promise.all([stat(path), hashOf(path), makeDurable(path).then(() => syncFolder(media))]);
    return { path, bytes: facts.size, sha256, discard };
  } catch (error) {
    await discard();
    throw systemErrorCode(error) === "ENOENT" || systemErrorCode(error) === "EISDIR" ? notFound(source.name) : error;
  }
}

async function refuseWithoutSpace(folder: string, source: MediaSource): Promise<void> {
  const facts = await stat(source.path).catch(() => null);
  if (facts?.isFile() !== true) throw notFound(source.name);
  const disk = await statfs(folder);
  if (disk.bavail * disk.bsize - facts.size < RESERVE_BYTES) throw new FaultError({ code: "DISK_FULL", what: `There is no room for "${source.name}".`, why: "The project's disk has too little space left.", hint: "Free some space, then add it again." });
}

async function makeDurable(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.chmod(0o644);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1024 ** 2 }), hash);
  return hash.digest("hex");
}

/** `portrait-1b9d6bcd.png`: readable, and never one that is there already. */
function storedName(name: string, id: string): string {
  const ending = extname(name).toLowerCase();
  const base = safeFileName(ending === "" ? name : name.slice(0, -ending.length), "media");
  return `${base.slice(0, 80).trim()}-${id.slice(0, 8)}${KNOWN_ENDINGS.test(ending) ? ending : ".bin"}`;
}

const NOT_OF_KIND = { image: "It is not a picture.", audio: "It is not a recording.", captions: "It is not a captions file." } as const;

function describing(facts: ProbedMedia): ProbedMedia {
  switch (facts.kind) {
    case "image":
      return { kind: facts.kind, width: facts.width, height: facts.height };
    case "audio":
      return { kind: facts.kind, samples: facts.samples, sampleRate: facts.sampleRate, channels: facts.channels };
    case "captions":
      return { kind: facts.kind, captions: facts.captions, milliseconds: facts.milliseconds };
    default:
      return assertNever(facts);
  }
}

function notFound(name: string): FaultError {
  return new FaultError({ code: "MEDIA_NOT_FOUND", what: `"${name}" was not found.`, why: "The file was moved, renamed or deleted, or is not a plain file.", hint: "Choose it again.", field: "source" });
}
