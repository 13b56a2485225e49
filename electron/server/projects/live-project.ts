import { join } from "node:path";
import { bytesText } from "../../contract/byte-size.ts";
import { type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { type Fault } from "../../contract/fault.schema.ts";
import { type ProjectEvent } from "../../contract/rpc.ts";
import { writeFileAtomically } from "../common/atomic-file.ts";
import { createEventHub, type EventHub } from "../common/event-hub.ts";
import { FaultError, faultOf, systemErrorCode } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { addBackup } from "./backups.ts";
import { MOST_PROJECT_BYTES, PROJECT_FILE, projectText } from "./project-file.ts";
import { type LoadedProject, missing, readStamp, sameStamp } from "./read-project.ts";

/** An edit is on disk so long after it at the latest, plus the time to write. */
const WRITE_WAIT_MILLISECONDS = 250;
/** After a failed write, such as on a full disk, it is tried again now and then. */
const RETRY_MILLISECONDS = 5_000;
const BACKUP_EVERY_MILLISECONDS = 3 * 60_000;

/** A project that is open in this server: one truth for all windows. */
export interface LiveProject {
  readonly id: string;
  readonly folder: () => string;
  readonly document: () => ProjectDocument;
  readonly revision: () => number;
  readonly readOnly: boolean;
  readonly notices: readonly Fault[];
  readonly events: EventHub<ProjectEvent>;
  /** Takes a whole document over. Answers its revision. Throws PROJECT_CHANGED_ELSEWHERE, PROJECT_READ_ONLY or PROJECT_OTHER. */
  readonly save: (baseRevision: number, windowId: string, document: ProjectDocument) => Promise<number>;
  /** A change that the server itself makes. */
  readonly change: (edit: (document: ProjectDocument) => ProjectDocument) => Promise<number>;
  /** Resolves with the revision on disk. Throws why it cannot be written. */
  readonly flush: () => Promise<number>;
  /** The folder has a new place. */
  readonly moved: (folder: string) => void;
  /** Flushes if it can, and ends all streams. */
  readonly close: () => Promise<void>;
}

/** Of these, a newer event replaces an older one of the same key. */
export function keyOfEvent(event: ProjectEvent): string {
  switch (event.kind) {
    case "saved":
      return "saved";
    case "written":
    case "write-failed":
      return "disk";
    case "output":
      return `output ${event.output.quality} ${event.output.takeId}`;
    case "missing-media":
      return "missing-media";
  }
}

export interface LiveProjectPlace {
  readonly folder: string;
  /** What is on disk; below the loaded revision when it has to be written anew. */
  readonly writtenRevision: number;
  readonly logger: Logger;
  readonly onListeners?: (count: number) => void;
}

export function openLiveProject(loaded: LoadedProject, place: LiveProjectPlace): LiveProject {
  const { logger } = place;
  const events = createEventHub(keyOfEvent, place.onListeners);
  let { folder, writtenRevision } = place;
  let { document, revision, stamp } = loaded;
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;
  let lastBackup = Number.NEGATIVE_INFINITY;
  let closed = false;

  function accept(next: ProjectDocument, windowId: string): number {
    document = next;
    revision += 1;
    events.emit({ kind: "saved", revision, windowId, document });
    writeSoon(WRITE_WAIT_MILLISECONDS);
    return revision;
  }

  async function save(baseRevision: number, windowId: string, next: ProjectDocument): Promise<number> {
    refuseIfReadOnly();
    if (next.id !== document.id) throw otherProject;
    await refuseIfReplaced();
    // Nothing may come between this check and the change.
    if (baseRevision !== revision) throw changedElsewhere;
    return accept(next, windowId);
  }

  function refuseIfReadOnly(): void {
    if (loaded.readOnly) throw new FaultError(readOnly);
  }

  /** Somebody else, such as a second server or a synchronising program, has put another file in the place of ours. */
  async function refuseIfReplaced(): Promise<void> {
    if (writing !== null || stamp === null) return;
    const before = stamp;
    const found = await readStamp(folder);
    // Our own writing may have begun, or even ended, in between.
    if (stamp === before && !isWriting() && found !== null && !sameStamp(found, before)) throw changedElsewhere;
  }

  function isWriting(): boolean {
    return writing !== null;
  }

  function writeSoon(milliseconds: number): void {
    if (timer !== null || closed) return;
    timer = setTimeout(() => {
      timer = null;
      write().catch(() => undefined);
    }, milliseconds);
  }

  /** Writes until what is on disk is the newest; only one such loop runs. */
  function write(): Promise<void> {
    if (loaded.readOnly) return Promise.resolve();
    writing ??= writeAll().finally(() => (writing = null));
    return writing;
  }

  async function writeAll(): Promise<void> {
    try {
      while (writtenRevision !== revision) await writeOnce(document, revision);
    } catch (error) {
      logger.warning("a project could not be written", { project: document.id, error });
      events.emit({ kind: "write-failed", fault: systemErrorCode(error) === "ENOENT" ? missing : faultOf(error) });
      if (!(error instanceof FaultError)) writeSoon(RETRY_MILLISECONDS);
      throw error;
    }
  }

  async function writeOnce(next: ProjectDocument, nextRevision: number): Promise<void> {
    const text = projectText(next, nextRevision);
    if (Buffer.byteLength(text) > MOST_PROJECT_BYTES) throw new FaultError(tooLarge);
    const found = await readStamp(folder);
    if (found !== null && stamp !== null && !sameStamp(found, stamp)) {
      await addBackup(folder, text, Date.now()).catch(() => undefined);
      throw changedElsewhere;
    }
    await writeFileAtomically(join(folder, PROJECT_FILE), text);
    stamp = await readStamp(folder);
    writtenRevision = nextRevision;
    events.emit({ kind: "written", revision: nextRevision });
    await backUp(text);
  }

  /** The first one of a session keeps the state at its start. A backup that fails does not fail the save. */
  async function backUp(text: string): Promise<void> {
    if (performance.now() - lastBackup < BACKUP_EVERY_MILLISECONDS) return;
    const first = lastBackup === Number.NEGATIVE_INFINITY;
    lastBackup = performance.now();
    await addBackup(folder, first ? loaded.text : text, Date.now()).catch((error: unknown) => logger.warning("a backup could not be written", { project: document.id, error }));
  }

  const flush = async (): Promise<number> => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    await write();
    return writtenRevision;
  };

  // A recovered or migrated project is put in order at once.
  if (writtenRevision !== revision) writeSoon(0);

  return {
    id: document.id,
    folder: () => folder,
    document: () => document,
    revision: () => revision,
    readOnly: loaded.readOnly,
    notices: loaded.notices,
    events,
    save,
    change: async (edit) => {
      refuseIfReadOnly();
      await refuseIfReplaced();
      const next = edit(document);
      return next === document ? revision : accept(next, "");
    },
    flush,
    moved: (to) => (folder = to),
    close: async () => {
      try {
        await flush();
      } finally {
        closed = true;
        events.close();
      }
    },
  };
}

const changedElsewhere = new FaultError({
  code: "PROJECT_CHANGED_ELSEWHERE",
  what: "The project was changed elsewhere.",
  why: "Another window or program saved it since this window read it.",
  hint: "Load the newer version; your last change can be made again, or undone there.",
});
const otherProject = new FaultError({ code: "PROJECT_OTHER", what: "The change was not saved.", why: "It belongs to another project.", hint: "Reload the page." });
const readOnly: Fault = { code: "PROJECT_READ_ONLY", what: "The change was not saved.", why: "The project's folder cannot be written.", hint: "Duplicate the project to change it.", field: null };
const tooLarge: Fault = { code: "PROJECT_TOO_LARGE", what: "The project could not be saved.", why: `It has grown beyond ${bytesText(MOST_PROJECT_BYTES)}.`, hint: "Undo the last step, and split the project in two.", field: null };
