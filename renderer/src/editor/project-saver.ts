import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import type { Fault } from "../../../electron/contract/fault.schema.ts";

/** A version of the project as the server has it. */
export interface SavedVersion {
  readonly document: ProjectDocument;
  readonly revision: number;
}

export type SaveOutcome =
  | { readonly kind: "saved"; readonly revision: number }
  /** Another window saved first. */
  | { readonly kind: "changed-elsewhere" }
  /** No answer: it may or may not have been saved. */
  | { readonly kind: "no-answer" }
  | { readonly kind: "refused"; readonly fault: Fault };

/** The server, as far as saving needs it. Neither function throws. */
export interface ProjectStorage {
  readonly save: (document: ProjectDocument, baseRevision: number) => Promise<SaveOutcome>;
  /** The newest version, or null when the server does not answer. */
  readonly newest: () => Promise<SavedVersion | null>;
  /** Resolves when another attempt has a chance: the connection is back, or some time has passed. */
  readonly untilWorthRetrying: () => Promise<void>;
}

export type SavingState =
  | { readonly kind: "saved" }
  | { readonly kind: "saving" }
  /** The server does not answer; it goes on by itself. */
  | { readonly kind: "waiting" }
  | { readonly kind: "failed"; readonly fault: Fault }
  /** Two windows changed the project; the user decides. */
  | { readonly kind: "conflict"; readonly theirs: SavedVersion };

export interface ProjectSaver {
  readonly state: () => SavingState;
  readonly revision: () => number;
  /** Sends `document` now, or as soon as the save under way has ended; only the newest one is sent. */
  readonly save: (document: ProjectDocument) => void;
  /** Another window saved. True when the caller shall show that document: there was nothing of our own to lose. */
  readonly savedElsewhere: (version: SavedVersion) => boolean;
  /** Settles a conflict. With `theirs` the caller shows the returned document; it counts as saved. */
  readonly takeTheirs: () => ProjectDocument | null;
  readonly keepMine: () => void;
  /** Tries again after a refusal. */
  readonly retry: () => void;
  readonly dispose: () => void;
}

/**
 * Keeps the server's copy equal to the window's: one request under way, the newest document wins, nothing is lost while the
 * server is away, and what another window saved is never overwritten without the user's word.
 */
export function createProjectSaver(storage: ProjectStorage, opened: SavedVersion, onChange: () => void): ProjectSaver {
  let state: SavingState = { kind: "saved" };
  let { document: savedDocument, revision } = opened;
  let wanted = savedDocument;
  let running = false;
  let disposed = false;

  const become = (next: SavingState) => {
    state = next;
    if (!disposed) onChange();
  };

  const accept = (version: SavedVersion) => {
    savedDocument = version.document;
    revision = version.revision;
  };

  // Functions, since both change while a request is under way.
  const isConflict = (): boolean => state.kind === "conflict";
  const isDisposed = (): boolean => disposed;

  /** Sends until the server has what is wanted. Only one runs at a time. */
  const run = async () => {
    if (running || isDisposed() || isConflict()) return;
    running = true;
    try {
      while (!isDisposed() && wanted !== savedDocument) {
        become({ kind: "saving" });
        const sent = wanted;
        const outcome = await storage.save(sent, revision);
        // What another window saved meanwhile may have become a conflict already.
        if (isConflict()) return;
        switch (outcome.kind) {
          case "saved":
            accept({ document: sent, revision: Math.max(revision, outcome.revision) });
            break;
          case "changed-elsewhere":
            if (!(await settleChange(sent))) return;
            break;
          case "no-answer":
            become({ kind: "waiting" });
            await storage.untilWorthRetrying();
            break;
          case "refused":
            become({ kind: "failed", fault: outcome.fault });
            return;
        }
      }
      become({ kind: "saved" });
    } finally {
      running = false;
    }
  };

  /** False when the user has to decide. */
  const settleChange = async (sent: ProjectDocument): Promise<boolean> => {
    const theirs = await storage.newest();
    if (theirs === null) {
      become({ kind: "waiting" });
      await storage.untilWorthRetrying();
      return true;
    }
    // The server crashed before it had written what it took last; this window still has that and sends it again.
    if (theirs.revision < revision) {
      accept(theirs);
      return true;
    }
    // An earlier attempt whose answer was lost had been carried out after all.
    if (sameJson(theirs.document, sent)) {
      accept({ document: sent, revision: theirs.revision });
      return true;
    }
    become({ kind: "conflict", theirs });
    return false;
  };

  return {
    state: () => state,
    revision: () => revision,
    save: (document) => {
      wanted = document;
      void run();
    },
    savedElsewhere: (version) => {
      if (version.revision <= revision) return false;
      if (wanted === savedDocument && !running) {
        accept(version);
        wanted = version.document;
        return true;
      }
      // A request is under way: the server refuses it, and that answer leads to the decision.
      if (running) return false;
      become({ kind: "conflict", theirs: version });
      return false;
    },
    takeTheirs: () => {
      if (state.kind !== "conflict") return null;
      accept(state.theirs);
      wanted = savedDocument;
      become({ kind: "saved" });
      return savedDocument;
    },
    keepMine: () => {
      if (state.kind !== "conflict") return;
      accept(state.theirs);
      state = { kind: "saving" };
      void run();
    },
    retry: () => void run(),
    dispose: () => {
      disposed = true;
    },
  };
}

/** Equal as JSON, whatever the order of the fields. */
function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, index) => sameJson(value, b[index]));
  }
  const [first, second] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return first.size === second.size && [...first].every(([key, value]) => second.has(key) && sameJson(value, second.get(key)));
}
