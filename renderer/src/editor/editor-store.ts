import { createStore, type StoreApi } from "zustand/vanilla";
import { applyEdit } from "../../../electron/contract/document/edit/apply-edit.ts";
import { copySegments } from "../../../electron/contract/document/edit/clipboard.ts";
import type { Clipboard, EditCommand, EditLabel, EditResult, RefusalReason } from "../../../electron/contract/document/edit/commands.ts";
import { labelOf } from "../../../electron/contract/document/edit/labels.ts";
import { endGesture, type History, newHistory, record, redo, undo } from "../../../electron/contract/document/history.ts";
import type { ProjectDocument, Quality } from "../../../electron/contract/document/project-document.schema.ts";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import type { Job } from "../../../electron/contract/jobs.schema.ts";
import type { TakeOutput } from "../../../electron/contract/outputs.schema.ts";
import type { OpenedProject } from "../../../electron/contract/rpc.ts";
import type { DocumentsOfJobs } from "./job-documents.ts";
import { newId } from "./new-id.ts";
import { changesLocked } from "./track-states.ts";
import { createProjectSaver, type ProjectSaver, type ProjectStorage, type SavedVersion, type SavingState } from "./project-saver.ts";

/** What is looked at besides segments: at most one thing, and only while no segment is selected. */
export type Focus =
  | { readonly kind: "marker"; readonly id: string }
  | { readonly kind: "clip"; readonly takeId: string; readonly clip: number }
  | { readonly kind: "track"; readonly trackId: string };

export type Refusal = RefusalReason | "trackLocked";

export interface EditorState {
  readonly projectId: string;
  /** The document as edited so far, with the way back. */
  readonly history: History;
  /** What to show: the document with a previewed edit applied to it. */
  readonly document: ProjectDocument;
  readonly readOnly: boolean;
  readonly saving: SavingState;
  /** What the user should know about the project as a whole; a failed write is told until one succeeds. */
  readonly notices: readonly Fault[];
  readonly outputs: readonly TakeOutput[];
  /** Jobs of this project. */
  readonly jobs: readonly Job[];
  readonly jobDocuments: DocumentsOfJobs;
  readonly missingMedia: ReadonlySet<string>;
  /** Ids of selected segments. */
  readonly selection: ReadonlySet<string>;
  readonly focus: Focus | null;
  /** Whose clips the output lane and the player show. */
  readonly quality: Quality;
  readonly clipboard: Clipboard | null;
  /** Why the last edit could not be done; null after one that could. */
  readonly refusal: Refusal | null;
}

export interface EditOptions {
  /** Name of the step; without it, the one of the (first) command. */
  readonly label?: EditLabel;
  /** Edits with the same gesture are one step for undo. */
  readonly gesture?: string;
  /** Selects what the edit has made. */
  readonly selectCreated?: boolean;
}

export interface Editor {
  readonly store: StoreApi<EditorState>;
  /** Applies an edit, or several as one step. False when it was refused or the project is read-only. */
  readonly edit: (commands: EditCommand | readonly EditCommand[], options?: EditOptions) => boolean;
  /**
   * Shows an edit that is not done yet, such as a slider's while it is dragged; null shows the document as it is. For the
   * `timeline` alone it is seen by {@link Editor.shown} only: the rest of the page need not follow every move of a drag.
   * False when it is refused.
   */
  readonly preview: (command: EditCommand | null, audience?: "all" | "timeline") => boolean;
  /** The document with whatever is previewed, also for the timeline alone. */
  readonly shown: StoreApi<{ readonly document: ProjectDocument }>;
  /** Makes what is shown by {@link Editor.preview} one step. */
  readonly commitPreview: (options?: EditOptions) => boolean;
  /** Later edits of the same gesture begin a step of their own. */
  readonly endGesture: () => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly select: (ids: Iterable<string>) => void;
  readonly focusOn: (focus: Focus | null) => void;
  readonly setQuality: (quality: Quality) => void;
  /** Copies the selected segments; false when there are none. */
  readonly copy: () => boolean;
  readonly clearRefusal: () => void;
  readonly resolveConflict: (choice: "theirs" | "mine") => void;
  readonly retrySaving: () => void;
  /** Resolves once the server has everything; rejects with a fault when it cannot get it without the user. */
  readonly saved: () => Promise<number>;
  readonly server: EditorServerEvents;
  readonly dispose: () => void;
}

/** What the project's event stream tells the editor. */
export interface EditorServerEvents {
  readonly savedElsewhere: (version: SavedVersion) => void;
  readonly output: (output: TakeOutput) => void;
  readonly missingMedia: (mediaIds: readonly string[]) => void;
  readonly jobs: (jobs: readonly Job[]) => void;
  readonly jobDocuments: (documents: DocumentsOfJobs) => void;
  readonly writeFailed: (fault: Fault) => void;
  readonly written: () => void;
}

const NONE: ReadonlySet<string> = new Set();
const OTHER_WINDOW: EditLabel = { key: "edit.otherWindow", values: {} };
const THIS_WINDOW: EditLabel = { key: "studio.conflict.mine", values: {} };

/**
 * The document store of one open project.
 * @param lockedNow keys of tracks that no edit may change; taking edits back still does
 */
export function createEditor(projectId: string, opened: OpenedProject, storage: ProjectStorage, lockedNow: () => ReadonlySet<string> = () => NONE): Editor {
  const store = createStore<EditorState>(() => ({
    projectId,
    history: newHistory(opened.document),
    document: opened.document,
    readOnly: opened.readOnly,
    saving: { kind: "saved" },
    notices: opened.notices,
    outputs: opened.outputs,
    jobs: [],
    jobDocuments: new Map(),
    missingMedia: new Set(opened.missingMedia),
    selection: new Set(),
    focus: null,
    quality: "preview",
    clipboard: null,
    refusal: null,
  }));
  const shown = createStore(() => ({ document: opened.document }));
  /** The edit that is shown but not done. */
  let previewed: { readonly command: EditCommand; readonly document: ProjectDocument; readonly created: readonly string[] } | null = null;
  store.subscribe(({ document }, before) => {
    // News from the server do not end a drag.
    if (document !== before.document || previewed === null) shown.setState({ document });
  });
  const saver: ProjectSaver = createProjectSaver(storage, opened, () => store.setState({ saving: saver.state() }));

  const attempt = (document: ProjectDocument, command: EditCommand): EditResult | { readonly refused: Refusal } => {
    const result = applyEdit(document, command, newId);
    return result.refused === null && changesLocked(lockedNow(), document, result.document) ? { refused: "trackLocked" } : result;
  };

  /** Shows a new history, forgets what it no longer has, and sends it to the server. */
  const become = (history: History, change: Partial<EditorState> = {}) => {
    const before = store.getState();
    const pruned = history.present === before.history.present ? {} : withoutGone(before, history.present);
    previewed = null;
    store.setState({ history, document: history.present, ...pruned, ...change });
    if (!before.readOnly) saver.save(history.present);
  };

  const edit: Editor["edit"] = (commands, options = {}) => {
    const state = store.getState();
    const list = isList(commands) ? commands : [commands];
    const [first] = list;
    if (state.readOnly || first === undefined) return false;
    const label = options.label ?? labelOf(first);
    const command: EditCommand = list.length === 1 ? first : { type: "batch", commands: list, label };
    const result = attempt(state.history.present, command);
    if (result.refused !== null) {
      previewed = null;
      store.setState({ refusal: result.refused, document: state.history.present });
      return false;
    }
    become(record(state.history, result.document, label, options.gesture ?? null), {
      refusal: null,
      ...(options.selectCreated === true && result.created.length > 0 ? { selection: new Set(result.created), focus: null } : {}),
    });
    return true;
  };

  return {
    store,
    edit,
    shown,
    preview: (command, audience = "all") => {
      const { history, readOnly } = store.getState();
      const show = (document: ProjectDocument) => {
        if (audience === "all") store.setState({ document });
        else shown.setState({ document });
      };
      if (command === null) {
        previewed = null;
        show(history.present);
        return true;
      }
      if (readOnly) return false;
      const result = attempt(history.present, command);
      // The last possible state stays on screen: the pointer may come back to where the edit works.
      if (result.refused !== null) return false;
      previewed = { command, document: result.document, created: result.created };
      show(result.document);
      return true;
    },
    commitPreview: (options = {}) => {
      if (previewed === null) return false;
      const { command, document, created } = previewed;
      become(record(store.getState().history, document, options.label ?? labelOf(command), options.gesture ?? null), {
        refusal: null,
        ...(options.selectCreated === true && created.length > 0 ? { selection: new Set(created), focus: null } : {}),
      });
      return true;
    },
    endGesture: () => store.setState(({ history }) => ({ history: endGesture(history) })),
    undo: () => become(undo(store.getState().history), { refusal: null }),
    redo: () => become(redo(store.getState().history), { refusal: null }),
    select: (ids) => {
      const selection = new Set(ids);
      const before = store.getState();
      if (before.focus === null && sameMembers(before.selection, selection)) return;
      store.setState({ selection, focus: null });
    },
    focusOn: (focus) => store.setState({ focus, selection: new Set() }),
    setQuality: (quality) => store.setState({ quality }),
    copy: () => {
      const { history, selection } = store.getState();
      const clipboard = copySegments(history.present, [...selection]);
      if (clipboard === null) return false;
      store.setState({ clipboard });
      return true;
    },
    clearRefusal: () => store.setState((state) => (state.refusal === null ? state : { refusal: null })),
    resolveConflict: (choice) => {
      const { saving, history } = store.getState();
      if (choice === "mine") {
        // The other window's version becomes a step before this one: one undo away.
        if (saving.kind === "conflict") become(record(record(history, saving.theirs.document, OTHER_WINDOW), history.present, THIS_WINDOW));
        saver.keepMine();
        return;
      }
      const theirs = saver.takeTheirs();
      // A step of its own: what the user had is one undo away.
      if (theirs !== null) become(record(history, theirs, OTHER_WINDOW), { refusal: null });
    },
    retrySaving: () => saver.retry(),
    saved: () => untilSaved(store, saver),
    server: {
      savedElsewhere: (version) => {
        if (saver.savedElsewhere(version)) become(record(store.getState().history, version.document, OTHER_WINDOW));
      },
      output: (output) =>
        store.setState(({ outputs }) => ({ outputs: [...outputs.filter((one) => one.takeId !== output.takeId || one.quality !== output.quality), output] })),
      missingMedia: (mediaIds) => store.setState({ missingMedia: new Set(mediaIds) }),
      jobs: (jobs) => {
        const own = jobs.filter((job) => job.projectId === projectId);
        // Most news is about other projects, and drawing the lane anew for them would be for nothing.
        if (own.length > 0 || store.getState().jobs.length > 0) store.setState({ jobs: own });
      },
      jobDocuments: (jobDocuments) => store.setState({ jobDocuments }),
      writeFailed: (fault) => store.setState(({ notices }) => ({ notices: [...notices.filter((one) => one.code !== fault.code), fault] })),
      written: () => store.setState(({ notices }) => (notices.length === opened.notices.length ? {} : { notices: opened.notices })),
    },
    dispose: () => saver.dispose(),
  };
}

function untilSaved(store: StoreApi<EditorState>, saver: ProjectSaver): Promise<number> {
  return new Promise((resolve, reject) => {
    // An Error that is also a Fault, as `faultOf` understands it.
    const fail = (fault: Fault) => reject(Object.assign(new Error(fault.what), fault));
    const settled = (): boolean => {
      const state = saver.state();
      switch (state.kind) {
        case "saved":
          resolve(saver.revision());
          return true;
        case "failed":
          fail(state.fault);
          return true;
        case "conflict":
          fail({ code: "PROJECT_CHANGED_ELSEWHERE", what: "", why: "", hint: "", field: null });
          return true;
        case "saving":
        case "waiting":
          return false;
      }
    };
    if (settled()) return;
    const stop = store.subscribe(() => {
      if (settled()) stop();
    });
  });
}

const isList = (commands: EditCommand | readonly EditCommand[]): commands is readonly EditCommand[] => Array.isArray(commands);

const sameMembers = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.size === b.size && [...a].every((id) => b.has(id));

/** Selection and focus without what the document no longer has. */
function withoutGone(state: EditorState, document: ProjectDocument): Pick<EditorState, "selection" | "focus"> {
  const { selection, focus } = state;
  return {
    selection: selection.size === 0 ? selection : kept(selection, document),
    focus: focus !== null && isGone(focus, document) ? null : focus,
  };
}

function kept(selection: ReadonlySet<string>, document: ProjectDocument): ReadonlySet<string> {
  const there = new Set<string>();
  for (const track of [document.portraits, document.prompts, ...document.audioTracks.map((one) => one.segments)]) {
    for (const { id } of track) if (selection.has(id)) there.add(id);
  }
  return there.size === selection.size ? selection : there;
}

function isGone(focus: Focus, document: ProjectDocument): boolean {
  switch (focus.kind) {
    case "marker":
      return !document.markers.some((marker) => marker.id === focus.id);
    case "track":
      return !document.audioTracks.some((track) => track.id === focus.trackId);
    case "clip":
      return !document.portraits.some((segment) => segment.id === focus.takeId);
  }
}
