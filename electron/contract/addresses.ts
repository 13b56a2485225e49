import type { Quality } from "./document/project-document.schema.ts";

/**
 * Addresses of files over HTTP, relative to the studio's origin. Ids are the only thing in them: paths never leave the server.
 * All answer GET and HEAD with ranges and need the session's cookie.
 */
const part = encodeURIComponent;

/** The imported file as it is. */
export const mediaAddress = (projectId: string, mediaId: string): string => `/files/${part(projectId)}/media/${part(mediaId)}`;
/** A JPEG of an imported picture, at most `height` (120, 360 or 1080) pixels high, upright. */
export const pictureAddress = (projectId: string, mediaId: string, height: 120 | 360 | 1080): string => `/files/${part(projectId)}/picture/${part(mediaId)}/${String(height)}`;
/** Peaks of an imported recording: see `peaks.ts`. */
export const peaksAddress = (projectId: string, mediaId: string, level: number): string => `/files/${part(projectId)}/peaks/${part(mediaId)}/${String(level)}`;
/** `init.mp4` of a take. `version` is the first clip's content hash: encoder settings may differ between renders. */
export const clipInitAddress = (projectId: string, quality: Quality, takeId: string, version: string): string => `/files/${part(projectId)}/takes/${quality}/${part(takeId)}/init/${part(version)}`;
/** One finished clip: a media segment that follows `init.mp4`. Times in it count from the take's start. */
export const clipAddress = (projectId: string, quality: Quality, takeId: string, clip: number, contentHash: string): string =>
  `/files/${part(projectId)}/takes/${quality}/${part(takeId)}/clips/${String(clip)}/${part(contentHash)}`;
/** A JPEG of a frame of a clip, counted from its first, 90 pixels high. */
export const clipThumbnailAddress = (projectId: string, quality: Quality, takeId: string, clip: number, contentHash: string, frame = 0): string => `${clipAddress(projectId, quality, takeId, clip, contentHash)}/thumbnail/${String(frame)}`;
/** A JPEG of the newest block of a take that is being rendered; `frame` makes each address another. Gone when the take is done. */
export const newestPictureAddress = (projectId: string, quality: Quality, takeId: string, frame: number): string => `/files/${part(projectId)}/takes/${quality}/${part(takeId)}/newest/${String(frame)}`;
/** The timeline's sound, mixed as the viewer will hear it (AAC in MP4), of the saved `revision`. */
export const mixAddress = (projectId: string, revision: number): string => `/files/${part(projectId)}/mix/${String(revision)}`;
/** Portrait or voice of a shipped example. */
export const exampleAddress = (example: string, file: "portrait" | "voice"): string => `/examples/${part(example)}/${file}`;
/** Who made what is shipped, and every licence, as a text. 404 in a checkout in which `npm run licences` has not run. */
export const noticesAddress = "/licences/notices";
/** A file that was made to be downloaded; `name` is what the browser saves it as. */
export const downloadAddress = (id: string, name: string): string => `/downloads/${part(id)}/${part(name)}`;
/** Where a file is uploaded with PUT; answers `{ "uploadId": … }`. */
export const uploadAddress = (name: string): string => `/upload?name=${part(name)}`;
/** Where the typed RPC is served over WebSocket. */
export const rpcAddress = "/rpc";
