import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { z } from "zod";
import { type FileAnswer } from "./send-file.ts";

/** The built page (`dist/renderer`). */
export interface PageFiles {
  /** The file of an address, or null when the page has none. */
  readonly find: (path: string) => FileAnswer | null;
}

const manifestSchema = z.record(z.string(), z.object({ file: z.string(), css: z.array(z.string()).optional(), assets: z.array(z.string()).optional() }));

/** `index.html` is asked for anew each time; files that the build has named after their content are kept for ever. */
export async function openPageFiles(root: string): Promise<PageFiles> {
  const named = await namedAfterContent(root);
  return {
    find: (path) => {
      const name = path === "/" ? "index.html" : path.slice(1);
      if (name.split("/").some((part) => part === "" || part.startsWith("."))) return null;
      return { path: join(root, name), root, cache: named.has(name) ? "forever" : "revalidate", ...textOf(name) };
    },
  };
}

/** Texts, which the build has also written compressed. The type is told here: compressed, the file's name has another ending. */
function textOf(name: string): Pick<FileAnswer, "contentType" | "compressed"> {
  const contentType = TEXTS[extname(name)];
  return contentType === undefined ? {} : { contentType, compressed: true };
}

const TEXTS: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json; charset=utf-8",
};

async function namedAfterContent(root: string): Promise<ReadonlySet<string>> {
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(join(root, ".vite", "manifest.json"), "utf8")));
    return new Set(Object.values(manifest).flatMap((entry) => [entry.file, ...(entry.css ?? []), ...(entry.assets ?? [])]));
  } catch {
    return new Set();
  }
}
