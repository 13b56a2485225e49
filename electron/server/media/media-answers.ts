import { dirname } from "node:path";
import { type MediaFile, type ProjectDocument, type Quality, qualitySchema } from "../../contract/document/project-document.schema.ts";
import { soundOfTakes } from "../../contract/document/take-sound.ts";
import { framesOfProject } from "../../contract/document/timeline.ts";
import { PEAK_LEVELS, PEAKS_DRAFT_TYPE } from "../../contract/peaks.ts";
import type { Media } from "./media.ts";
import { placePieces } from "./mix-plan.ts";
import { virtualWav, type VirtualWav } from "./mixer.ts";
import { PICTURE_HEIGHTS } from "./pictures.ts";

/** What to send for an address of the contract. Files must lie in `root`, links resolved. */
export type MediaAnswer =
  | { readonly kind: "file"; readonly path: string; readonly root: string; readonly contentType: string; readonly cache: "forever" | "revalidate" | "never" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly contentType: string; readonly cache: "forever" | "revalidate" | "never" }
  | ({ readonly kind: "virtual"; readonly contentType: string; readonly cache: "forever" | "revalidate" | "never" } & VirtualWav);

/** Where media and clips are found by their ids. They throw, or answer null, for what is not there. */
export interface MediaPlaces {
  readonly project: (projectId: string) => Promise<{ readonly folder: string; readonly document: ProjectDocument; readonly revision: number }>;
  readonly mediaPath: (projectId: string, mediaId: string) => Promise<string>;
  /** Null when there is no such clip, or it was rendered anew since. */
  readonly clip: (projectFolder: string, quality: Quality, takeId: string, clip: number, contentHash: string) => Promise<{ readonly initPath: string; readonly clipPath: string } | null>;
  /** Where the newest block's picture of a take lies while it is rendered. */
  readonly newestPicture: (projectFolder: string, quality: Quality, takeId: string) => string;
}

/** Finds what an address below `/files/<projectId>/` stands for: `rest` are the decoded parts after the project. Null: nothing. */
export type MediaAnswers = (projectId: string, rest: readonly string[], signal: AbortSignal) => Promise<MediaAnswer | null>;

/** Each holds a list of pieces, no sound. */
const MOST_MIXES = 16;

export function createMediaAnswers(media: Media, places: MediaPlaces): MediaAnswers {
  const found = async (projectId: string, mediaId: string): Promise<{ readonly folder: string; readonly file: MediaFile; readonly path: string } | null> => {
    const { folder, document } = await places.project(projectId);
    const file = document.media.find((one) => one.id === mediaId);
    return file === undefined ? null : { folder, file, path: await places.mediaPath(projectId, mediaId) };
  };

  const picture = async (projectId: string, mediaId: string, heightText: string, signal: AbortSignal): Promise<MediaAnswer | null> => {
    const height = PICTURE_HEIGHTS.find((one) => String(one) === heightText);
    const source = await found(projectId, mediaId);
    if (height === undefined || source?.file.kind !== "image") return null;
    const path = await media.picture(source.folder, { path: source.path, sha256: source.file.sha256 }, height, signal);
    return { kind: "file", path, root: dirname(path), contentType: "image/jpeg", cache: "revalidate" };
  };

  const peaks = async (projectId: string, mediaId: string, levelText: string, signal: AbortSignal): Promise<MediaAnswer | null> => {
    const level = PEAK_LEVELS.findIndex((_, index) => String(index) === levelText);
    const source = await found(projectId, mediaId);
    if (level < 0 || source?.file.kind !== "audio") return null;
    const { sha256, samples, sampleRate } = source.file;
    const answer = await media.peaks(source.folder, { path: source.path, sha256, samples, sampleRate }, level, signal);
    if (answer.kind === "draft") return { kind: "bytes", bytes: answer.bytes, contentType: PEAKS_DRAFT_TYPE, cache: "never" };
    return { kind: "file", path: answer.path, root: dirname(answer.path), contentType: "application/octet-stream", cache: "revalidate" };
  };

  const take = async (projectId: string, parts: readonly string[], signal: AbortSignal): Promise<MediaAnswer | null> => {
    const [qualityText = "", takeId = "", area = "", ...rest] = parts;
    const quality = qualitySchema.safeParse(qualityText).data;
    // Ids of takes are segment ids: safe as names of folders.
    if (quality === undefined || !/^[A-Za-z0-9_-]{1,64}$/.test(takeId)) return null;
    const { folder } = await places.project(projectId);
    if (area === "newest" && rest.length === 1) return { kind: "file", path: places.newestPicture(folder, quality, takeId), root: folder, contentType: "image/jpeg", cache: "never" };
    const [clipText, contentHash] = area === "init" ? ["0", rest[0]] : [rest[0], rest[1]];
    if (clipText === undefined || contentHash === undefined || !/^\d{1,9}$/.test(clipText)) return null;
    const files = await places.clip(folder, quality, takeId, Number(clipText), contentHash);
    if (files === null) return null;
    if (area === "init" && rest.length === 1) return { kind: "file", path: files.initPath, root: folder, contentType: "video/mp4", cache: "forever" };
    if (area !== "clips") return null;
    if (rest.length === 2) return { kind: "file", path: files.clipPath, root: folder, contentType: "video/mp4", cache: "forever" };
    const [, , kind, frame = "", ...more] = rest;
    if (kind !== "thumbnail" || !/^\d{1,4}$/.test(frame) || more.length > 0) return null;
    const path = await media.thumbnail(folder, { ...files, contentHash }, Number(frame), signal);
    return { kind: "file", path, root: dirname(path), contentType: "image/jpeg", cache: "forever" };
  };

  /** Mixes that were asked for, by project and revision: what plays goes on playing while the document changes. */
  const mixes = new Map<string, VirtualWav>();
  const mix = async (projectId: string, revisionText: string): Promise<MediaAnswer | null> => {
    const key = `${projectId}/${revisionText}`;
    let wav = mixes.get(key);
    if (wav === undefined) {
      const { document, revision } = await places.project(projectId);
      // What an older revision sounded like is not known any more.
      if (revisionText !== String(revision)) return null;
      wav = await mixOf(projectId, document);
      mixes.set(key, wav);
      const [oldest] = mixes.keys();
      if (mixes.size > MOST_MIXES && oldest !== undefined) mixes.delete(oldest);
    }
    return { kind: "virtual", contentType: "audio/wav", cache: "revalidate", ...wav };
  };

  const mixOf = async (projectId: string, document: ProjectDocument): Promise<VirtualWav> => {
    const frames = framesOfProject(document);
    const pieces = soundOfTakes(document.audioTracks, document.media, [{ start: 0, frames }])[0]?.pieces ?? [];
    const files = new Map(document.media.flatMap((file) => (file.kind === "audio" ? [[file.id, file]] : [])));
    const paths = new Map<string, string>();
    for (const id of new Set(pieces.map((piece) => piece.mediaId))) {
      // A missing recording is silent here; the page shows that it is missing.
      const path = await places.mediaPath(projectId, id).catch(() => null);
      if (path !== null) paths.set(id, path);
    }
    const plan = placePieces(pieces, frames, (mediaId) => {
      const [file, path] = [files.get(mediaId), paths.get(mediaId)];
      return file === undefined || path === undefined ? null : { path, name: file.name, samples: file.samples, sampleRate: file.sampleRate, channels: file.channels };
    });
    return virtualWav(media.sounds, plan);
  };

  return async (projectId, [area, first = "", ...rest], signal) => {
    switch (area) {
      case "picture":
        return rest.length === 1 ? picture(projectId, first, rest[0] ?? "", signal) : null;
      case "peaks":
        return rest.length === 1 ? peaks(projectId, first, rest[0] ?? "", signal) : null;
      case "takes":
        return take(projectId, [first, ...rest], signal);
      case "mix":
        return rest.length === 0 ? mix(projectId, first) : null;
      case undefined:
      default:
        return null;
    }
  };
}
