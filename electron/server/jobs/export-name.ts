import { assertNever } from "../../contract/assert-never.ts";
import type { Quality } from "../../contract/document/project-document.schema.ts";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import { timecode } from "../../contract/time.ts";

/** Not allowed in file names on one system or another. */
 
const UNSAFE = /[\u0000-\u001f<>:"/\\|?*]+/gu;
/** Systems allow 255 bytes; the rest is for the suffix. */
const MOST_BYTES = 180;

/** A name for the file that every system takes: `My talk (preview).mp4`. */
export function exportFileName(projectName: string, quality: Quality, request: ExportRequest): string {
  const name = projectName.replaceAll(UNSAFE, " ").replaceAll(/\s+/gu, " ").replaceAll(/^[. ]+|[. ]+$/gu, "");
  // A cut through a character leaves a mark at the end.
  const base = Buffer.from(name).subarray(0, MOST_BYTES).toString("utf8").replace(/\ufffd$/u, "").trim() || "video";
  return `${base}${suffix(quality, request)}.${request.format}`;
}

function suffix(quality: Quality, request: ExportRequest): string {
  switch (request.format) {
    case "wav":
    case "srt":
    case "vtt":
      return "";
    case "png":
      return ` ${timecode(request.frame).replaceAll(":", "-")}`;
    case "mp4":
    case "webm":
    case "gif":
      // Nobody should send a preview by mistake.
      return quality === "preview" ? " (preview)" : "";
    default:
      return assertNever(request);
  }
}
