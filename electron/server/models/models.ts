import { mkdir, rm } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { say } from "../common/say.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { Model } from "../../contract/machine.schema.ts";
import { createLatestValue } from "../common/event-hub.ts";
import { FaultError, faultOf } from "../common/fault-error.ts";
import type { Logger } from "../common/logger.ts";
import { verifyFiles } from "./file-hashes.ts";
import { describe, findModelFolders, isFolder, type ModelFolder, modelsIn } from "./find-folders.ts";
import { inspectModel, type ModelInspection } from "./inspect-model.ts";
import { readStoreRecord, type StoreRecord } from "./store-record.ts";
import type { Transfer, Transfers } from "./transfers.ts";

/** The models of this machine: the shipped one, and those in folders that the user added. */
export interface Models {
  /** Looks anew for models in all folders. */
  readonly refresh: () => Promise<void>;
  /** Something about transfers is otherwise: tells everybody who watches. */
  readonly transfersChanged: () => void;
  /** The files of a folder are others now. */
  readonly filesChanged: (folder: string) => Promise<void>;
  /** The folders of all models. */
  readonly paths: () => Promise<readonly { readonly id: string; readonly path: string }[]>;
  /** Where a model's files are. Throws MODEL_UNKNOWN. */
  readonly folderOf: (modelId: string) => Promise<{ readonly path: string; readonly searched: string; readonly keeping: Model["keeping"] }>;
  readonly list: () => Promise<Model[]>;
  readonly watch: (signal?: AbortSignal) => AsyncGenerator<Model[], void, undefined>;
  /** Where a model is, for the engine. Throws MODEL_UNKNOWN, MODEL_MISSING, MODEL_UNFINISHED, MODEL_DAMAGED. */
  readonly find: (modelId: string) => Promise<{ readonly folder: string; readonly lora: string | null }>;
  /** Reads all its bytes; progress and result come with {@link watch}. Resolves at once. Throws MODEL_UNKNOWN, MODEL_BUSY. */
  readonly verify: (modelId: string) => Promise<void>;
  /** Throws MODEL_FOLDER_INVALID. */
  readonly addFolder: (path: string) => Promise<void>;
  /** Takes the model's folder off the list; its files stay. Throws MODEL_UNKNOWN, MODEL_SHIPPED, MODEL_IN_STORE. */
  readonly removeFolder: (modelId: string) => Promise<void>;
}

export interface ModelsDependencies {
  /** The shipped model. */
  readonly demoFolder: string;
  readonly folders: () => readonly string[];
  readonly changeFolders: (folders: readonly string[]) => Promise<unknown>;
  /** Where the studio keeps what it brings. */
  readonly storeFolder: () => string;
  readonly transfers: Pick<Transfers, "list">;
  /** Names that the user gave. */
  readonly names: () => Readonly<Record<string, string>>;
  /** The runtime's interpreter; throws when there is none. */
  readonly python: () => Promise<string>;
  /** For hashes of verified files. */
  readonly dataFolder: string;
  readonly logger: Logger;
  /** For tests. */
  readonly inspect?: (folder: string, signal: AbortSignal) => Promise<ModelInspection>;
}

export const DEMO_MODEL = "demo";
const DEMO_NOTE = "Draws cartoon avatars only: for trying things out on any computer.";
const REPORT_MILLISECONDS = 200;

interface Entry {
  readonly folder: ModelFolder;
  readonly kind: Model["kind"];
  /** What the studio wrote down when it brought the model; null for any other folder. */
  record: StoreRecord | null;
  inspection: Promise<ModelInspection> | null;
  state: Model["state"];
  bytes: number;
}

/** The returned function stops what runs. */
export function createModels(dependencies: ModelsDependencies): readonly [Models, () => Promise<void>] {
  const { demoFolder, folders, changeFolders, storeFolder, transfers, names, python, dataFolder, logger, inspect = (folder: string, signal: AbortSignal) => inspectModel(python, folder, signal) } = dependencies;
  const stop = new AbortController();
  const entries = new Map<string, Entry>();
  const latest = createLatestValue<Model[]>([]);
  const verifying = new Set<Promise<void>>();

  const transferOf = (folder: string): Transfer | null => transfers.list().find((one) => one.folder === folder) ?? null;
  const keeping = ({ folder, kind, record }: Entry): Model["keeping"] => {
    if (kind === "demo") return "shipped";
    // A folder that was on the list before anything was brought into it stays the user's while it is mended.
    const arriving = transferOf(folder.path) !== null && !folders().includes(folder.searched);
    return arriving || (record !== null && record.own.length === 0) ? "store" : "folder";
  };
  const publish = (): void => latest.set([...entries.values()].map((entry) => modelOf(entry, keeping(entry), transferOf(entry.folder.path), names()[entry.folder.id])));
  const setState = (entry: Entry, state: Model["state"]): void => {
    entry.state = state;
    publish();
  };

  /** Headers are read once; again after a verification or when it went wrong. */
  const look = (entry: Entry): Promise<ModelInspection> =>
    (entry.inspection ??= inspect(entry.folder.path, stop.signal).then(
      (found) => {
        entry.bytes = found.bytes;
        setState(entry, stateOf(found));
        return found;
      },
      async (error: unknown) => {
        entry.inspection = null;
        setState(entry, (await isFolder(entry.folder.path)) ? { kind: "damaged", faults: [faultOf(error)] } : { kind: "missing" });
        throw error;
      },
    ));

  const refresh = async (): Promise<void> => {
    const shipped: ModelFolder = { id: DEMO_MODEL, name: "Demo", path: demoFolder, searched: demoFolder };
    const arriving = transfers.list().map(({ folder }) => describe(folder, folder));
    const found = [shipped, ...(await findModelFolders(folders())), ...(await modelsIn(storeFolder())), ...arriving];
    const all = [...new Map(found.toReversed().map((folder) => [folder.id, folder])).values()].toReversed();
    for (const id of entries.keys()) if (!all.some((folder) => folder.id === id)) entries.delete(id);
    for (const folder of all) {
      if (entries.has(folder.id)) continue;
      const record = await readStoreRecord(folder.path);
      const entry: Entry = { folder, kind: folder.id === DEMO_MODEL ? "demo" : "published", record, inspection: null, bytes: 0, state: lookingAt };
      entries.set(folder.id, entry);
      // One that is not finished is looked at when it is.
      if (record?.complete === false) continue;
      if (await isFolder(folder.path)) look(entry).catch((error: unknown) => logger.warning("A model folder could not be looked at", { error }));
      else entry.state = { kind: "missing" };
    }
    publish();
  };
  // At first use: looking at a model starts the engine's Python, which would slow the program's own start.
  let refreshed: Promise<void> | null = null;
  const ready = (): Promise<void> => (refreshed ??= refresh());

  const entryOf = async (modelId: string): Promise<Entry> => {
    await ready();
    const entry = entries.get(modelId);
    if (entry === undefined) throw modelFault("MODEL_UNKNOWN", "The model is not on this machine's list.", "Its folder was taken off the list, or the project comes from another machine.", "Choose another model in the project's settings, or add its folder on the set-up page.");
    return entry;
  };
  const changeTo = async (paths: readonly string[]): Promise<void> => {
    await changeFolders(paths);
    await (refreshed = refresh());
  };

  const verify = async (entry: Entry): Promise<void> => {
    let told = 0;
    try {
      entry.inspection = null;
      const found = await inspect(entry.folder.path, stop.signal);
      entry.bytes = found.bytes;
      const total = found.files.reduce((sum, file) => sum + file.bytes, 0);
      await mkdir(join(dataFolder, "models"), { recursive: true });
      const faults = await verifyFiles(entry.folder.path, found.files, recordPath(entry.folder.id), {
        signal: stop.signal,
        published: publishedHashes(entry.record),
        onBytes: (done) => {
          if (performance.now() - told < REPORT_MILLISECONDS) return;
          told = performance.now();
          setState(entry, { kind: "working", doing: say("MODEL_FILES_READING", "Reading its files"), doneBytes: done, totalBytes: total, transfer: null });
        },
      });
      entry.inspection = Promise.resolve(found);
      setState(entry, faults.length === 0 ? stateOf(found) : { kind: "damaged", faults: [...faults, ...found.faults] });
    } catch (error) {
      entry.inspection = null;
      if (!stop.signal.aborted) setState(entry, (await isFolder(entry.folder.path)) ? { kind: "damaged", faults: [faultOf(error)] } : { kind: "missing" });
    }
  };
  const recordPath = (id: string): string => join(dataFolder, "models", `${id}.json`);

  const models: Models = {
    refresh: () => (refreshed = refresh()),
    transfersChanged: publish,
    filesChanged: async (path) => {
      const entry = [...entries.values()].find(({ folder }) => folder.path === path);
      if (entry !== undefined) {
        entries.delete(entry.folder.id);
        await rm(recordPath(entry.folder.id), { force: true });
      }
      await (refreshed = refresh());
    },
    paths: async () => {
      await ready();
      return [...entries.values()].map(({ folder: { id, path } }) => ({ id, path }));
    },
    folderOf: async (modelId) => {
      const entry = await entryOf(modelId);
      return { ...entry.folder, keeping: keeping(entry) };
    },
    list: async () => {
      await ready();
      return latest.get();
    },
    watch: async function* (signal) {
      await ready();
      yield* latest.stream(signal);
    },
    find: async (modelId) => {
      const entry = await entryOf(modelId);
      if (!(await isFolder(entry.folder.path))) throw modelFault("MODEL_MISSING", `The folder of the model "${entry.folder.name}" is not there.`, "It was moved or deleted, or its disk is not connected.", "Connect the disk, or choose another model.");
      // Read anew: a repair that found something missing takes the word back that the model is whole.
      const record = await readStoreRecord(entry.folder.path);
      if (record === null ? transferOf(entry.folder.path) !== null : !record.complete) throw modelFault("MODEL_UNFINISHED", `The model "${entry.folder.name}" is not complete yet.`, "Its download or import has not finished.", "Go on with it on the set-up page, or choose another model.");
      const found = await look(entry);
      if (!found.usable) throw new FaultError(found.faults[0] ?? modelFault("MODEL_DAMAGED", `The model "${entry.folder.name}" cannot be used.`, "Its files do not fit together.", "Copy or download the folder again.").fault);
      return { folder: entry.folder.path, lora: found.loraFile === null ? null : resolve(entry.folder.path, found.loraFile) };
    },
    verify: async (modelId) => {
      const entry = await entryOf(modelId);
      if (entry.state.kind === "working" || transferOf(entry.folder.path) !== null) throw modelFault("MODEL_BUSY", "The model's files are being read already.", "One look at a time is enough.", "Wait until it is done.");
      setState(entry, { kind: "working", doing: say("MODEL_FILES_READING", "Reading its files"), doneBytes: 0, totalBytes: entry.bytes, transfer: null });
      const running = verify(entry).finally(() => verifying.delete(running));
      verifying.add(running);
    },
    addFolder: async (path) => {
      if (!isAbsolute(path) || !(await isFolder(path))) throw modelFault("MODEL_FOLDER_INVALID", "This is not a folder that can be read.", "It was moved, or it is a file.", "Choose the folder that the model's files lie in.");
      const found = await findModelFolders([path]);
      const files = await Promise.all(found.map((one) => inspect(one.path, stop.signal)));
      if (files.every((one) => one.files.length === 0)) throw modelFault("MODEL_FOLDER_INVALID", "There is no model in this folder.", "None of the files of the published layout was found in it or directly below it.", "Choose the folder that has config.json and diffusion_pytorch_model files in it.");
      if (!folders().includes(path)) await changeTo([...folders(), path]);
    },
    removeFolder: async (modelId) => {
      const { folder } = await entryOf(modelId);
      if (modelId === DEMO_MODEL) throw modelFault("MODEL_SHIPPED", "The demo model stays.", "It is a part of the program.", "Choose another model as the default if you do not want to use it.");
      if (!folders().includes(folder.searched)) throw modelFault("MODEL_IN_STORE", "The model stays on the list.", "It lies in the folder where models are kept, all of which are listed.", "Delete it, or move its folder elsewhere.");
      await rm(recordPath(modelId), { force: true });
      await changeTo(folders().filter((path) => path !== folder.searched));
    },
  };
  const close = async (): Promise<void> => {
    stop.abort(new DOMException("The program ends", "AbortError"));
    latest.close();
    await Promise.allSettled([...verifying, ...[...entries.values()].map((entry) => entry.inspection)]);
  };
  return [models, close] as const;
}

const lookingAt: Extract<Model["state"], { kind: "working" }> = { kind: "working", doing: say("MODEL_FILES_LOOKING", "Looking at its files"), doneBytes: 0, totalBytes: 0, transfer: null };

function modelOf(entry: Entry, keeping: Model["keeping"], transfer: Transfer | null, name: string | undefined): Model {
  const { folder, kind, record } = entry;
  const demo = kind === "demo";
  return { id: folder.id, name: name ?? folder.name, kind, note: demo ? DEMO_NOTE : "", bytes: entry.bytes, licence: demo ? "Apache-2.0" : null, keeping, mend: demo ? null : record?.origin.kind === "folder" ? "import" : "fetch", state: shownState(entry, transfer) };
}

/** What is brought at the moment, or was not finished, is told before what the files look like. */
function shownState({ record, state }: Entry, transfer: Transfer | null): Model["state"] {
  if (transfer === null) return record?.complete === false ? { kind: "unfinished", act: record.origin.kind === "hub" ? "download" : "import", fault: null } : state;
  if (transfer.state.kind === "paused") return { kind: "unfinished", act: transfer.request.kind, fault: transfer.state.fault };
  const { report } = transfer.state;
  if (report === null) return { ...lookingAt, transfer: { bytesPerSecond: null, note: null } };
  const { doing, doneBytes, totalBytes, bytesPerSecond, note } = report;
  return { kind: "working", doing, doneBytes, totalBytes, transfer: { bytesPerSecond, note } };
}

function publishedHashes(record: StoreRecord | null): Record<string, { bytes: number; sha256: string }> {
  return Object.fromEntries(Object.entries(record?.files ?? {}).flatMap(([path, { bytes, sha256 }]) => (sha256 === null ? [] : [[path, { bytes, sha256 }]])));
}

function stateOf(found: ModelInspection): Model["state"] {
  if (found.usable) return { kind: "ready" };
  return found.files.length === 0 ? { kind: "missing" } : { kind: "damaged", faults: [...found.faults] };
}

function modelFault(code: string, what: string, why: string, hint: string): FaultError & { readonly fault: Fault } {
  return new FaultError({ code, what, why, hint });
}
