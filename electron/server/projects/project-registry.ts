import { readFile } from "node:fs/promises";
import { z } from "zod";
import { idSchema } from "../../contract/document/project-document.schema.ts";
import { writeJsonAtomically } from "../common/atomic-file.ts";
import { type Logger } from "../common/logger.ts";

/** Where the projects are that this studio knows. */
export interface KnownProject {
  readonly id: string;
  readonly folder: string;
  readonly openedAt: number;
}

export interface ProjectRegistry {
  readonly all: () => readonly KnownProject[];
  readonly find: (id: string) => KnownProject | null;
  /** The project at a folder. */
  readonly at: (folder: string) => KnownProject | null;
  readonly put: (project: KnownProject) => void;
  readonly remove: (id: string) => void;
  /** Resolves when the list is on disk. */
  readonly flush: () => Promise<void>;
}

const MOST_KNOWN = 2_000;
const fileSchema = z.object({ version: z.literal(1), projects: z.array(z.object({ id: idSchema, folder: z.string().min(1).max(4_096), openedAt: z.number() })).max(MOST_KNOWN) });

/** A list that is missing or damaged is begun anew: projects below the data folder are found again by looking. */
export async function openProjectRegistry(path: string, logger: Logger): Promise<ProjectRegistry> {
  const known = new Map((await readKnown(path)).map((project) => [project.id, project]));
  let writing: Promise<void> = Promise.resolve();
  const write = (): void => {
    writing = writing.then(async () => {
      const projects = [...known.values()].toSorted((one, other) => other.openedAt - one.openedAt).slice(0, MOST_KNOWN);
      await writeJsonAtomically(path, { version: 1, projects }).catch((error: unknown) => logger.warning("the list of projects could not be written", { error }));
    });
  };
  return {
    all: () => [...known.values()],
    find: (id) => known.get(id) ?? null,
    at: (folder) => [...known.values()].find((project) => project.folder === folder) ?? null,
    put: (project) => {
      known.set(project.id, project);
      write();
    },
    remove: (id) => {
      if (known.delete(id)) write();
    },
    flush: () => writing,
  };
}

async function readKnown(path: string): Promise<readonly KnownProject[]> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(path, "utf8"))).projects;
  } catch {
    return [];
  }
}
