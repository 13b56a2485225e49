import { randomInt, randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { usedMedia } from "../../contract/document/edit/media.ts";
import { newDocument } from "../../contract/document/new-document.ts";
import { type MediaFile, type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { type OpenedProject, type ProjectEvent, type ProjectSummary } from "../../contract/rpc.ts";
import { removeStaleTemporaries, syncFolder } from "../common/atomic-file.ts";
import { type NumberedEvent } from "../common/event-hub.ts";
import { FaultError } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { collectToArchive, collectToFolder, createProjectFolder, duplicateProject } from "./copy-project.ts";
import { isEmptyDraft, removeDraft } from "./empty-drafts.ts";
import { filledDocument } from "./example-project.ts";
import { type Examples } from "./examples.ts";
import { freeName, safeFileName } from "./folder-names.ts";
import { type LiveProject } from "./live-project.ts";
import { mediaPath, missingMedia } from "./media-files.ts";
import { importMedia, locateMedia, type MediaSource, type Probe } from "./media-import.ts";
import { createOpenProjects } from "./open-projects.ts";
import { openProjectRegistry } from "./project-registry.ts";
import { createProjectSummaries } from "./project-summaries.ts";
import { createWastebasket } from "./wastebasket.ts";

/** Imported files of a project that are remembered until a document names them. */
const MOST_IMPORTS = 100;

/** An empty project that no window shows is dropped after so long: a browser on a poor network may be on its way back, with edits. */
const DRAFT_LEFT_MILLISECONDS = 5 * 60_000;
/** At a start it must be older: a page may be waiting for the server to come back. */
const DRAFT_STALE_MILLISECONDS = 10 * 60_000;

/** A project as other capabilities see it. */
export interface ProjectState {
  readonly name: string;
  readonly folder: string;
  /** As it is now, written or not. */
  readonly document: ProjectDocument;
  readonly revision: number;
}

/** Reading may throw PROJECT_MISSING, PROJECT_NEWER, PROJECT_TOO_LARGE or PROJECT_DAMAGED; writing also the faults of files. */
export interface Projects {
  readonly list: () => Promise<ProjectSummary[]>;
  readonly create: (name: string | null, example: string | null, trackName?: string) => Promise<string>;
  /** Everything about a project but its clips. */
  readonly open: (id: string) => Promise<Omit<OpenedProject, "outputs">>;
  /** The id of the project at a path. */
  readonly find: (path: string) => Promise<string>;
  readonly state: (id: string) => Promise<ProjectState>;
  /** The same, for work that reads the media. Throws MEDIA_MISSING when a file that is used is not there. */
  readonly readyState: (id: string) => Promise<ProjectState>;
  /** Throws PROJECT_CHANGED_ELSEWHERE or PROJECT_READ_ONLY. */
  readonly save: (id: string, baseRevision: number, windowId: string, document: ProjectDocument) => Promise<number>;
  readonly flush: (id: string) => Promise<number>;
  readonly watch: (id: string, options: { readonly signal?: AbortSignal | undefined; readonly lastEventId?: string | undefined }) => Promise<AsyncGenerator<NumberedEvent<ProjectEvent>, void, undefined>>;
  /** Tells all windows; nothing when the project is not open. */
  readonly publish: (id: string, event: ProjectEvent) => void;
  readonly rename: (id: string, name: string) => Promise<void>;
  readonly duplicate: (id: string) => Promise<string>;
  readonly remove: (id: string) => Promise<void>;
  /** Undoes a removal. */
  readonly restore: (id: string) => Promise<void>;
  readonly collectToFolder: (id: string, target: string) => Promise<void>;
  readonly collectToArchive: (id: string, target: string) => Promise<void>;
  readonly importMedia: (id: string, source: MediaSource) => Promise<MediaFile>;
  readonly locateMedia: (id: string, mediaId: string, source: MediaSource, force: boolean) => Promise<MediaFile>;
  /** The documents that are open: what logs of this run may be about. */
  readonly openDocuments: () => Promise<readonly ProjectState[]>;
  /** The same as `state`, with imported files that no saved document has yet: windows show a file before their edit arrives here. */
  readonly stateWithImports: (id: string) => Promise<ProjectState>;
  /** Also of imported files that no saved document has yet. Throws MEDIA_UNKNOWN or MEDIA_MISSING. */
  readonly mediaPath: (id: string, mediaId: string) => Promise<string>;
}

export interface ProjectsDependencies {
  /** New projects are made here. */
  readonly folder: string;
  readonly registryPath: string;
  readonly wastebasketFolder: string;
  readonly examples: Examples;
  readonly probe: Probe;
  /** A render or export of the project runs or waits. */
  readonly isBusy: (projectId: string) => boolean;
  /** How long an empty project without a window is kept; five minutes when absent. */
  readonly draftMilliseconds?: number;
  readonly logger: Logger;
}

export async function createProjects(dependencies: ProjectsDependencies): Promise<readonly [Projects, () => Promise<void>]> {
  const { folder: ownFolder, examples, logger, probe } = dependencies;
  const registry = await openProjectRegistry(dependencies.registryPath, logger);
  const projects = createOpenProjects({ folder: ownFolder, registry, summaries: createProjectSummaries(), logger, onLeft: (project) => leave(project) });
  const wastebasket = createWastebasket(dependencies.wastebasketFolder);
  await mkdir(ownFolder, { recursive: true });
  await removeStaleTemporaries(ownFolder);
  await wastebasket.empty();

  /** Drops a project of our own folder that nobody has open if it is an empty draft. */
  async function dropIfEmpty(id: string, folder: string, milliseconds: number): Promise<void> {
    if (dirname(folder) !== ownFolder || !(await isEmptyDraft(folder, milliseconds, Date.now())) || projects.openIds().includes(id)) return;
    await removeDraft(folder);
    registry.remove(id);
    logger.info("an empty draft was removed", { project: id });
  }
  const notDropped = (error: unknown): void => logger.warning("an empty draft could not be removed", { error });
  void (async () => {
    for (const { id, folder } of registry.all()) await dropIfEmpty(id, folder, DRAFT_STALE_MILLISECONDS);
  })().catch(notDropped);

  /** What was imported of late, by project. */
  const imported = new Map<string, readonly MediaFile[]>();
  const withImports = (id: string, document: ProjectDocument): ProjectDocument => {
    const known = new Set(document.media.map((media) => media.id));
    const further = (imported.get(id) ?? []).filter((media) => !known.has(media.id));
    return further.length === 0 ? document : { ...document, media: [...document.media, ...further] };
  };

  const remember = (id: string, folder: string): void => registry.put({ id, folder, openedAt: Date.now() });

  async function create(wanted: string | null, example: string | null, trackName = "Voice"): Promise<string> {
    const id = randomUUID();
    const name = wanted?.trim() ?? "";
    const empty = newDocument({ id, name: name === "" ? await freeName(ownFolder, "Untitled") : name, audioTrackId: randomUUID(), audioTrackName: trackName, baseSeed: randomInt(2 ** 31) });
    remember(id, await createProjectFolder(ownFolder, empty.name, (folder) => (example === null ? Promise.resolve(empty) : fromExample(folder, empty, example))));
    return id;
  }

  async function fromExample(folder: string, empty: ProjectDocument, example: string): Promise<ProjectDocument> {
    const bringIn = async (file: "portrait" | "voice"): Promise<MediaFile> => {
      const path = await examples.fileOf(example, file);
      return importMedia(folder, { path, name: `${example}-${basename(path)}` }, probe);
    };
    const portrait = await bringIn("portrait");
    const voice = await bringIn("voice");
    if (portrait.kind !== "image" || voice.kind !== "audio") throw new Error("A shipped example is damaged.");
    return filledDocument(empty, { portrait, voice, prompt: await examples.promptOf(example) }, randomUUID);
  }

  async function rename(id: string, name: string): Promise<void> {
    const project = await projects.get(id);
    const before = project.document().name;
    await project.change((document) => ({ ...document, name }));
    await project.flush();
    // A folder that the user has named keeps its name; so does one in which a render works.
    if (basename(project.folder()) !== safeFileName(before, "Project") || dependencies.isBusy(id)) return;
    const parent = dirname(project.folder());
    const wanted = safeFileName(name, "Project");
    if (wanted === basename(project.folder())) return;
    const to = join(parent, await freeName(parent, wanted));
    try {
      // At one stroke, so that no write of ours falls in between.
      renameSync(project.folder(), to);
    } catch (error) {
      logger.info("a project's folder kept its name", { project: id, error });
      return;
    }
    project.moved(to);
    remember(id, to);
    await syncFolder(parent);
  }

  async function duplicate(id: string): Promise<string> {
    const project = await projects.get(id);
    const newId = randomUUID();
    const name = await freeName(ownFolder, `${project.document().name.slice(0, 180)} copy`);
    remember(newId, await duplicateProject(project.folder(), ownFolder, { ...project.document(), id: newId, name }));
    return newId;
  }

  async function remove(id: string): Promise<void> {
    if (dependencies.isBusy(id)) throw busy;
    // A project that cannot be opened can be removed all the same.
    await projects.close(id).catch(() => undefined);
    const known = registry.find(id) ?? (await projects.list(), registry.find(id));
    if (known === null) return;
    const summary = (await projects.list()).find((one) => one.id === id);
    if (summary !== undefined && summary.state !== "missing") await wastebasket.put({ id, name: summary.name, folder: known.folder });
    registry.remove(id);
  }

  async function state(id: string): Promise<ProjectState> {
    const project = await projects.get(id);
    return { name: project.document().name, folder: project.folder(), document: project.document(), revision: project.revision() };
  }

  async function readyState(id: string): Promise<ProjectState> {
    const project = await state(id);
    const gone = new Set(await missingMedia(project.folder, project.document));
    for (const mediaId of usedMedia(project.document)) if (gone.has(mediaId)) await mediaPath(project.folder, project.document, mediaId);
    return project;
  }

  const interfaceOfProjects: Projects = {
    list: projects.list,
    find: projects.find,
    create,
    rename,
    duplicate,
    remove,
    open: async (id) => {
      const project = await projects.get(id);
      const document = project.document();
      return {
        document,
        revision: project.revision(),
        folder: project.folder(),
        missingMedia: [...(await missingMedia(project.folder(), document))],
        notices: [...project.notices],
        readOnly: project.readOnly,
      };
    },
    state,
    readyState,
    save: async (id, baseRevision, windowId, document) => (await projects.get(id)).save(baseRevision, windowId, document),
    flush: async (id) => (await projects.get(id)).flush(),
    watch: async (id, options) => (await projects.get(id)).events.stream(options),
    publish: (id, event) => {
      void projects.peek(id).then((project) => project?.events.emit(event));
    },
    restore: async (id) => {
      remember(id, await wastebasket.restore(id));
    },
    collectToFolder: async (id, target) => {
      const project = await projects.get(id);
      await collectToFolder(project.folder(), project.document(), target);
    },
    collectToArchive: async (id, target) => {
      const project = await projects.get(id);
      await collectToArchive(project.folder(), project.document(), target);
    },
    importMedia: async (id, source) => {
      const project = await projects.get(id);
      const media = await importMedia(project.folder(), source, probe);
      imported.set(id, [...(imported.get(id) ?? []), media].slice(-MOST_IMPORTS));
      return media;
    },
    locateMedia: async (id, mediaId, source, force) => {
      const project = await projects.get(id);
      const media = project.document().media.find((one) => one.id === mediaId);
      if (media === undefined) throw new FaultError({ code: "MEDIA_UNKNOWN", what: "The file is not part of the project.", why: "It was removed from it.", hint: "Reload the page.", field: "mediaId" });
      const located = await locateMedia(project.folder(), media, source, force, probe);
      project.events.emit({ kind: "missing-media", mediaIds: [...(await missingMedia(project.folder(), project.document()))] });
      return located;
    },
    openDocuments: async () => Promise.all(projects.openIds().map(state)),
    mediaPath: async (id, mediaId) => {
      const project = await projects.get(id);
      return mediaPath(project.folder(), withImports(id, project.document()), mediaId);
    },
    stateWithImports: async (id) => {
      const project = await state(id);
      return { ...project, document: withImports(id, project.document) };
    },
  };
  /** The last window of a project is gone; it may come back in a moment, as after a reload. */
  const leave = (project: LiveProject): void => {
    const timer = setTimeout(() => {
      waiting.delete(timer);
      if (project.revision() > 0 || project.events.listeners() > 0) return;
      void (async () => {
        await projects.close(project.id);
        await dropIfEmpty(project.id, project.folder(), 0);
      })().catch(notDropped);
    }, dependencies.draftMilliseconds ?? DRAFT_LEFT_MILLISECONDS);
    timer.unref();
    waiting.add(timer);
  };
  const waiting = new Set<NodeJS.Timeout>();

  const cleanup = async (): Promise<void> => {
    for (const timer of waiting) clearTimeout(timer);
    await projects.closeAll();
    await registry.flush();
  };
  return [interfaceOfProjects, cleanup] as const;
}

const busy = new FaultError({ code: "PROJECT_BUSY", what: "The project was not removed.", why: "A render or an export of it runs or waits.", hint: "Cancel it in the queue, then remove the project." });
