import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pictureAddress } from "../../contract/addresses.ts";
import { type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { framesOfProject } from "../../contract/document/timeline.ts";
import { type ProjectSummary } from "../../contract/rpc.ts";
import { MOST_PROJECT_BYTES, parseProject, PROJECT_FILE } from "./project-file.ts";
import { type FileStamp, readStamp, sameStamp } from "./read-project.ts";

type Facts = Pick<ProjectSummary, "name" | "frames" | "state"> & { readonly documentId: string | null; readonly portraitId: string | null };

/** What the list shows of the projects on disk; each file is read again only when it has changed. */
export interface ProjectSummaries {
  /** `id` is the one the studio knows it by. */
  readonly of: (folder: string, id: string) => Promise<ProjectSummary>;
  /** The id in the file; null when it cannot be read, undefined when there is no project. */
  readonly documentIdOf: (folder: string) => Promise<string | null | undefined>;
}

export function createProjectSummaries(): ProjectSummaries {
  const read = new Map<string, { readonly stamp: FileStamp; readonly facts: Facts }>();

  async function factsOf(folder: string): Promise<{ readonly facts: Facts; readonly changedAt: number } | null> {
    const stamp = await readStamp(folder).catch(() => null);
    if (stamp === null) return null;
    const before = read.get(folder);
    const facts = before !== undefined && sameStamp(before.stamp, stamp) ? before.facts : await readFacts(folder, stamp.bytes);
    read.set(folder, { stamp, facts });
    return { facts, changedAt: stamp.changedAt };
  }

  return {
    of: async (folder, id) => {
      const found = await factsOf(folder);
      if (found === null) return { id, name: basename(folder), folder, changedAt: 0, frames: 0, thumbnail: null, state: "missing" };
      const { name, frames, state, portraitId } = found.facts;
      return { id, name, folder, changedAt: found.changedAt, frames, thumbnail: portraitId === null ? null : pictureAddress(id, portraitId, 120), state };
    },
    documentIdOf: async (folder) => (await factsOf(folder))?.facts.documentId,
  };
}

async function readFacts(folder: string, bytes: number): Promise<Facts> {
  const bad = (state: "damaged" | "newer"): Facts => ({ name: basename(folder), frames: 0, state, documentId: null, portraitId: null });
  if (bytes > MOST_PROJECT_BYTES) return bad("damaged");
  const project = parseProject(await readFile(join(folder, PROJECT_FILE), "utf8").catch(() => ""));
  if (project.kind !== "ok") return bad(project.kind);
  const { document } = project;
  return { name: document.name, frames: framesOfProject(document), state: "ok", documentId: document.id, portraitId: firstPicture(document) };
}

/** For the list. */
function firstPicture(document: ProjectDocument): string | null {
  return document.portraits[0]?.mediaId ?? document.media.find((media) => media.kind === "image")?.id ?? null;
}
