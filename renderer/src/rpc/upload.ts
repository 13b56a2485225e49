import { uploadAddress } from "../../../electron/contract/addresses.ts";
import type { MediaFile } from "../../../electron/contract/document/project-document.schema.ts";
import type { FileSource } from "../../../electron/contract/rpc.ts";
import { shell } from "../app/shell.ts";
import { pageFault } from "./client.ts";

export interface UploadOptions {
  /** Share of the bytes that have arrived, 0 to 1. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes a file of the page known to the server: by its path in the desktop program, by sending it otherwise.
 * @throws a Fault when the file did not arrive.
 */
export async function sourceOfFile(file: File, options: UploadOptions = {}): Promise<FileSource> {
  // A recording made in the page has no path: it is sent in both modes.
  const known = shell === null ? null : await shell.handleOfFile(file);
  if (known !== null) return { kind: "handle", handle: known.handle };
  return { kind: "upload", uploadId: await upload(file, file.name, options) };
}

function upload(content: Blob, name: string, { onProgress, signal }: UploadOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    // fetch cannot tell how far an upload is.
    const request = new XMLHttpRequest();
    // Faults are plain data; `faultOf` understands them.
    const fail: (reason: unknown) => void = reject;
    request.open("PUT", uploadAddress(name));
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      const answer: unknown = request.response;
      const uploadId = typeof answer === "object" && answer !== null && "uploadId" in answer ? answer.uploadId : null;
      if (request.status >= 200 && request.status < 300 && typeof uploadId === "string") resolve(uploadId);
      else if (typeof answer === "object" && answer !== null && "code" in answer) fail(answer);
      else fail(pageFault(request.status === 413 ? "UPLOAD_TOO_LARGE" : "UPLOAD_FAILED"));
    });
    request.addEventListener("error", () => fail(pageFault("UPLOAD_FAILED")));
    request.addEventListener("abort", () => fail(new DOMException("Cancelled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(content);
  });
}

/** What a dropped or chosen file may become, by its type and the end of its name; the server looks inside. */
export function kindOfFile(file: Pick<File, "name" | "type">): "picture" | "recording" | null {
  const extension = /\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? "";
  if (/^image\/(jpeg|png|webp)$/.test(file.type) || ["jpg", "jpeg", "png", "webp"].includes(extension)) return "picture";
  // The sound of a video is taken too.
  if (/^(audio|video)\//.test(file.type) || ["wav", "mp3", "flac", "m4a", "ogg", "opus", "aac", "webm", "mp4", "mov", "mkv"].includes(extension)) return "recording";
  return null;
}

/** The kind of material that a file may become. */
export function materialOfFile(file: Pick<File, "name" | "type">): MediaFile["kind"] | null {
  const kind = kindOfFile(file);
  if (kind !== null) return kind === "picture" ? "image" : "audio";
  return /\.(srt|vtt)$/i.test(file.name) ? "captions" : null;
}

/** For the `accept` of file inputs. */
export const PICTURE_TYPES = ".jpg,.jpeg,.png,.webp,image/jpeg,image/png,image/webp";
export const RECORDING_TYPES = ".wav,.mp3,.flac,.m4a,.ogg,.opus,.aac,audio/*,video/mp4,video/quicktime,video/webm";
export const ACCEPTED_TYPES: Readonly<Record<MediaFile["kind"], string>> = { image: PICTURE_TYPES, audio: RECORDING_TYPES, captions: ".srt,.vtt,text/vtt,application/x-subrip" };
