import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { digestOf } from "./secret-digest.ts";

/**
 * Browsers that have been let in. Digests are kept in a file, so that a page goes on after the server was restarted on the same port.
 * Session ids themselves are only in the browsers.
 */
export interface Sessions {
  /** A new session; its id goes into the cookie. Resolves when it would outlive a crash. */
  readonly open: () => Promise<string>;
  readonly isOpen: (id: string) => boolean;
  readonly closeAll: () => void;
  /** Resolves when the file is written. */
  readonly flush: () => Promise<void>;
}

const MOST_SESSIONS = 200;
export const SESSION_SECONDS = 30 * 24 * 60 * 60;

const fileSchema = z.object({ version: z.literal(1), sessions: z.array(z.object({ digest: z.string().max(100), end: z.number() })).max(MOST_SESSIONS) });

/** A file that is missing or damaged means that nobody is let in yet. */
export async function openSessions(path: string, now: () => number = Date.now): Promise<Sessions> {
  const ends = new Map<string, number>();
  for (const { digest, end } of await readSessions(path)) ends.set(digest, Math.min(end, now() + SESSION_SECONDS * 1000));
  let writing: Promise<void> = Promise.resolve();

  const write = (): void => {
    writing = writing.then(async () => {
      const sessions = [...ends].map(([digest, end]) => ({ digest, end }));
      // A full disk must not keep anybody out; the session then ends with this run.
      await writeJsonAtomically(path, { version: 1, sessions }, { mode: 0o600 }).catch(() => undefined);
    });
  };

  return {
    open: async () => {
      const id = randomBytes(32).toString("base64url");
      ends.set(digestOf(id), now() + SESSION_SECONDS * 1000);
      for (const [digest, end] of ends) if (end <= now() || ends.size > MOST_SESSIONS) ends.delete(digest);
      write();
      await writing;
      return id;
    },
    isOpen: (id) => (ends.get(digestOf(id)) ?? 0) > now(),
    closeAll: () => {
      ends.clear();
      write();
    },
    flush: () => writing,
  };
}

async function readSessions(path: string): Promise<z.infer<typeof fileSchema>["sessions"]> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(path, "utf8"))).sessions;
  } catch {
    return [];
  }
}
