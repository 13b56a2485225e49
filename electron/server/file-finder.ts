import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type Answer, type FileFinder } from "./http/http-server.ts";
import { createMediaAnswers } from "./media/media-answers.ts";
import { newestPicturePath } from "./render/take-folders.ts";
import { type Studio } from "./studio.ts";

/** Finds what the addresses of the contract stand for (addresses.ts). All parts are ids that are looked up. */
export function createFileFinder(studio: Pick<Studio, "examples" | "downloads" | "projects" | "media" | "work" | "noticeFiles">): FileFinder {
  const { projects, work } = studio;
  const answers = createMediaAnswers(studio.media, { project: projects.stateWithImports, mediaPath: projects.mediaPath, clip: work.clips.find, newestPicture: newestPicturePath });
  return async (parts, signal) => {
    const [area = "", first = "", second = "", third = ""] = parts;
    switch (area) {
      case "examples":
        return second === "portrait" || second === "voice" ? file(await studio.examples.fileOf(first, second)) : null;
      case "licences": {
        const there = studio.noticeFiles.find((path) => existsSync(path));
        return there === undefined ? null : file(there);
      }
      case "downloads": {
        const found = studio.downloads.find(first);
        return found === null ? null : { kind: "file", ...found };
      }
      case "files":
        return second === "media" ? file(await projects.mediaPath(first, third)) : answers(first, parts.slice(2), signal);
      default:
        return null;
    }
  };
}

function file(path: string): Answer {
  return { kind: "file", path, root: dirname(path), cache: "revalidate", contentType: contentTypeOf(basename(path)) };
}

/** Only what a page shows or plays; anything else is bytes that no browser interprets. */
function contentTypeOf(name: string): string {
  const types: Readonly<Record<string, string>> = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".wave": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".txt": "text/plain; charset=utf-8",
  };
  return types[/\.[a-z0-9]+$/.exec(name)?.[0] ?? ""] ?? "application/octet-stream";
}
