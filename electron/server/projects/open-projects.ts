import { randomUUID } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ProjectSummary } from "../../contract/rpc.ts";
import { FaultError } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { backupTexts } from "./backups.ts";
import { type LiveProject, openLiveProject } from "./live-project.ts";
import { missingMedia, removeUnusedMedia } from "./media-files.ts";
import { PROJECT_ENDING, PROJECT_FILE } from "./project-file.ts";
import { type ProjectRegistry } from "./project-registry.ts";
import { type ProjectSummaries } from "./project-summaries.ts";
import { loadProject, missing } from "./read-project.ts";
import { watchMissingMedia } from "./watch-media.ts";

/** Which projects there are, and those that are open: each exactly once, however many windows show it. */
export interface OpenProjects {
  readonly list: () => Promise<ProjectSummary[]>;
  /** The id of the project in a folder or `project.avatar`; afterwards it is in the list. Throws as opening it would. */
  readonly find: (path: string) => Promise<string>;
  readonly get: (id: string) => Promise<LiveProject>;
  /** The project if it is open, without opening it. */
  readonly peek: (id: string) => Promise<LiveProject | null>;
  readonly openIds: () => readonly string[];
  /** Flushes and closes it. Throws when it cannot be written; it then stays open. */
  readonly close: (id: string) => Promise<void>;
  readonly closeAll: () => Promise<void>;
}

/** Documents are small; more than this many are not worked on at once. */
const MOST_OPEN = 24;

export interface OpenProjectsDependencies {
  readonly folder: string;
  readonly registry: ProjectRegistry;
  readonly summaries: ProjectSummaries;
  readonly logger: Logger;
  /** No window listens to it any more. */
  readonly onLeft: (project: LiveProject) => void;
}

export function createOpenProjects(dependencies: OpenProjectsDependencies): OpenProjects {
  const { registry, summaries, logger } = dependencies;
  const opened = new Map<string, Promise<LiveProject>>();

  /** Projects below our own folder are found by looking: they may have been copied there by hand. */
  async function list(): Promise<ProjectSummary[]> {
    const entries = await readdir(dependencies.folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const folder = join(dependencies.folder, entry.name);
      if (!entry.isDirectory() || entry.name.startsWith(".") || registry.at(folder) !== null) continue;
      const documentId = await summaries.documentIdOf(folder);
      if (documentId !== undefined) await learn(folder, documentId);
    }
    const known = await Promise.all(registry.all().map(({ id, folder }) => summaries.of(folder, id)));
    return known.toSorted((one, other) => other.changedAt - one.changedAt);
  }

  /**
   * Gives a folder its id: the document's own, unless it cannot be read, or another folder has it already, as after copying a project by hand.
   */
  async function learn(folder: string, documentId: string | null): Promise<string> {
    const other = documentId === null ? null : registry.find(documentId);
    const isCopy = other !== null && other.folder !== folder && (await isThere(other.folder));
    const id = documentId === null || isCopy ? randomUUID() : documentId;
    registry.put({ id, folder, openedAt: Date.now() });
    // The project was moved: what is open goes on at the new place.
    if (other !== null && !isCopy) (await peek(id))?.moved(folder);
    return id;
  }

  async function find(path: string): Promise<string> {
    const facts = await stat(path).catch(() => null);
    if (facts === null) throw new FaultError(missing);
    if (!facts.isDirectory() && basename(path) !== PROJECT_FILE) throw notAProject;
    const folder = await realpath(facts.isDirectory() ? path : dirname(path));
    // Read before it is remembered, so that its fault is told and the list stays clean.
    return registry.at(folder)?.id ?? learn(folder, (await loadProject(folder)).document.id);
  }

  async function folderOf(id: string): Promise<string> {
    if (registry.find(id) === null) await list();
    const known = registry.find(id);
    if (known === null) throw new FaultError(missing);
    return known.folder;
  }

  function get(id: string): Promise<LiveProject> {
    const before = opened.get(id);
    const opening = before ?? open(id);
    // The one used last is last.
    opened.delete(id);
    opened.set(id, opening);
    if (before === undefined) {
      opening.catch(() => opened.delete(id));
      void closeUnused();
    }
    return opening;
  }

  async function open(id: string): Promise<LiveProject> {
    const folder = await folderOf(id);
    const loaded = await loadProject(folder);
    registry.put({ id, folder, openedAt: Date.now() });
    // A copy made by hand still has the id of its original in its file: the list decides, and the file follows.
    const own = loaded.document.id === id ? loaded : { ...loaded, document: { ...loaded.document, id }, revision: loaded.revision + 1 };
    const watcher = watchMissingMedia({
      find: () => missingMedia(project.folder(), project.document()),
      publish: (mediaIds) => project.events.emit({ kind: "missing-media", mediaIds: [...mediaIds] }),
    });
    if (!loaded.readOnly) await removeUnusedMedia(folder, loaded.document, backupTexts(folder), Date.now());
    const onListeners = (count: number): void => {
      watcher.setListeners(count);
      if (count === 0) dependencies.onLeft(project);
    };
    const project = openLiveProject(own, { folder, logger, writtenRevision: loaded.stamp === null ? -1 : loaded.revision, onListeners });
    return project;
  }

  async function closeUnused(): Promise<void> {
    for (const [id, opening] of [...opened].slice(0, Math.max(0, opened.size - MOST_OPEN))) {
      const project = await opening.catch(() => null);
      if (project === null || project.events.listeners() > 0 || opened.get(id) !== opening) continue;
      await close(id).catch((error: unknown) => logger.warning("a project could not be closed", { project: id, error }));
    }
  }

  async function peek(id: string): Promise<LiveProject | null> {
    return (await opened.get(id)?.catch(() => null)) ?? null;
  }

  async function close(id: string): Promise<void> {
    const project = await peek(id);
    if (project === null) return;
    await project.flush();
    opened.delete(id);
    await project.close();
  }

  return {
    list,
    find,
    get,
    peek,
    openIds: () => [...opened.keys()],
    close,
    closeAll: async () => {
      await Promise.all([...opened.keys()].map(async (id) => (await peek(id))?.close().catch((error: unknown) => logger.error("a project could not be written at the end", { project: id, error }))));
      opened.clear();
    },
  };
}

async function isThere(folder: string): Promise<boolean> {
  return stat(join(folder, PROJECT_FILE)).then(() => true, () => false);
}

const notAProject = new FaultError({
  code: "NOT_A_PROJECT",
  what: "This is no project.",
  why: `A project is a folder with a file named ${PROJECT_FILE}.`,
  hint: `Choose that file. A single ${PROJECT_ENDING} file without its folder has no pictures and recordings.`,
});
