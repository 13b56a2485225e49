import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { downloadAddress } from "../../contract/addresses.ts";
import { type FileAnswer } from "./send-file.ts";

/** Files that a page may fetch under an address nobody can guess. */
export interface Downloads {
  /** Answers the address. With `remove`, the file is deleted after a while: it was made for this. */
  readonly offer: (file: { readonly path: string; readonly name: string; readonly remove: boolean }) => string;
  readonly find: (id: string) => FileAnswer | null;
}

const KEEP_MILLISECONDS = 6 * 60 * 60 * 1000;
const MOST_OFFERS = 1_000;

export function createDownloads(): Downloads {
  const offers = new Map<string, FileAnswer>();
  const ids = new Map<string, string>();
  return {
    offer: ({ path, name, remove }) => {
      const known = ids.get(path);
      const id = known !== undefined && offers.has(known) ? known : randomBytes(16).toString("hex");
      ids.set(path, id);
      offers.set(id, { path, root: dirname(path), cache: "revalidate", downloadName: name });
      if (remove) setTimeout(() => void rm(path, { force: true }).then(() => offers.delete(id)), KEEP_MILLISECONDS).unref();
      for (const oldest of offers.keys()) {
        if (offers.size <= MOST_OFFERS) break;
        offers.delete(oldest);
      }
      return downloadAddress(id, name);
    },
    find: (id) => offers.get(id) ?? null,
  };
}
