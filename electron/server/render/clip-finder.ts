import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Quality } from "../../contract/document/project-document.schema.ts";
import { CLIP_LIST_FILE, clipFileName, INIT_FILE, takeFolder } from "./take-folders.ts";

/** The files of one clip: the segment follows `init.mp4`. */
export interface ClipFiles {
  readonly initPath: string;
  readonly clipPath: string;
}

/** Most takes whose lists are held; a player uses one or two at a time. */
const MOST_REMEMBERED = 32;

/** Finds clips by content hash, so that an address never shows what was rendered anew in its place. */
export interface ClipFinder {
  /** Null when there is no such clip, or it is another one by now. */
  readonly find: (projectFolder: string, quality: Quality, takeId: string, clip: number, contentHash: string) => Promise<ClipFiles | null>;
}

export function createClipFinder(): ClipFinder {
  /** Hashes by list file, as of its size and time. */
  const remembered = new Map<string, { readonly stamp: string; readonly hashes: readonly string[] }>();

  async function hashesOf(listPath: string): Promise<readonly string[]> {
    const facts = await stat(listPath).catch(() => null);
    if (facts === null) return [];
    const stamp = `${facts.size} ${facts.mtimeMs} ${facts.ino}`;
    const known = remembered.get(listPath);
    if (known?.stamp === stamp) return known.hashes;
    const hashes = (await readFile(listPath, "utf8")).split("\n").map(hashOfLine);
    remembered.delete(listPath);
    remembered.set(listPath, { stamp, hashes });
    const [oldest] = remembered.keys();
    if (remembered.size > MOST_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    return hashes;
  }

  return {
    find: async (projectFolder, quality, takeId, clip, contentHash) => {
      const folder = takeFolder(projectFolder, quality, takeId);
      const hashes = await hashesOf(join(folder, CLIP_LIST_FILE));
      if (contentHash === "" || hashes[clip] !== contentHash) return null;
      return { initPath: join(folder, INIT_FILE), clipPath: join(folder, clipFileName(clip)) };
    },
  };
}

function hashOfLine(line: string): string {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "content_hash" in value && typeof value.content_hash === "string" ? value.content_hash : "";
  } catch {
    return "";
  }
}
