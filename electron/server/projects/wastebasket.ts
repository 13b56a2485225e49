import { mkdir, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { moveIntoPlace, writeJsonAtomically } from "../common/atomic-file.ts";
import { FaultError, systemErrorCode } from "../common/fault-error.ts";
import { freeName } from "./folder-names.ts";

/** Removed projects wait here, so that removing can be undone. */
export interface Wastebasket {
  readonly put: (project: { readonly id: string; readonly name: string; readonly folder: string }) => Promise<void>;
  /** Back to where it was, or beside it when that place is taken. Answers the folder. Throws NOT_IN_WASTEBASKET. */
  readonly restore: (id: string) => Promise<string>;
  /** Deletes what has waited long enough. */
  readonly empty: () => Promise<void>;
}

const KEEP_MILLISECONDS = 30 * 24 * 60 * 60 * 1000;
const NOTE = "removed.json";
const CONTENT = "project";
const noteSchema = z.object({ id: z.string(), name: z.string(), folder: z.string(), removedAt: z.number() });

export function createWastebasket(folder: string): Wastebasket {
  const entryOf = (id: string): string => join(folder, id);

  async function put(project: { readonly id: string; readonly name: string; readonly folder: string }): Promise<void> {
    const entry = entryOf(project.id);
    // An older one of the same id was restored by hand, or is a copy: it makes room.
    await rm(entry, { recursive: true, force: true });
    await mkdir(entry, { recursive: true });
    const note = { ...project, removedAt: Date.now() };
    const content = join(entry, CONTENT);
    try {
      await writeJsonAtomically(join(entry, NOTE), note);
      await rename(project.folder, content);
    } catch (error) {
      // On another disk it stays where it is, hidden, and only the note moves.
      if (systemErrorCode(error) !== "EXDEV") {
        await rm(entry, { recursive: true, force: true });
        throw error;
      }
      await rename(project.folder, hiddenPlace(note));
    }
  }

  async function restore(id: string): Promise<string> {
    const note = await readNote(entryOf(id));
    if (note === null) throw notThere;
    const inside = join(entryOf(id), CONTENT);
    const from = (await exists(inside)) ? inside : hiddenPlace(note);
    if (!(await exists(from))) throw notThere;
    await mkdir(dirname(note.folder), { recursive: true });
    const to = join(dirname(note.folder), await freeName(dirname(note.folder), basename(note.folder)));
    await moveIntoPlace(from, to);
    await rm(entryOf(id), { recursive: true, force: true });
    return to;
  }

  async function empty(): Promise<void> {
    for (const id of await readdir(folder).catch(() => [])) {
      const note = await readNote(entryOf(id));
      if (note !== null && Date.now() - note.removedAt < KEEP_MILLISECONDS) continue;
      if (note !== null) await rm(hiddenPlace(note), { recursive: true, force: true }).catch(() => undefined);
      // Without a note nobody knows what it is: it is left alone.
      if (note !== null) await rm(entryOf(id), { recursive: true, force: true }).catch(() => undefined);
    }
  }

  return { put, restore, empty };
}

function hiddenPlace(note: { readonly id: string; readonly folder: string }): string {
  return join(dirname(note.folder), `.removed-${note.id}`);
}

async function readNote(entry: string): Promise<z.infer<typeof noteSchema> | null> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(join(entry, NOTE), "utf8")));
  } catch {
    return null;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

const notThere = new FaultError({ code: "NOT_IN_WASTEBASKET", what: "The project cannot be restored.", why: "It is not in the wastebasket any more.", hint: "Look for a copy of your own." });
