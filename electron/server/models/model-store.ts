import { mkdir, statfs } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import type { ImportHow, ModelMending, ModelRemoval, ModelSource, ModelStore as StoreFacts } from "../../contract/models.schema.ts";
import type { Settings } from "../../contract/settings.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { findModelFolders, isFolder } from "./find-folders.ts";
import type { ModelInspection } from "./inspect-model.ts";
import { DEMO_MODEL, type Models } from "./models.ts";
import { runStoreCommand, type StoreProgram } from "./store-command.ts";
import { readStoreRecord } from "./store-record.ts";
import { onOneDisk, requestOfRecord, type Transfers } from "./transfers.ts";

/** Bringing models to this disk, mending and deleting them. */
export interface ModelStore {
  readonly facts: () => Promise<StoreFacts>;
  /** Throws MODEL_FOLDER_INVALID. */
  readonly choose: (folder: string) => Promise<StoreFacts>;
  /** Throws MODEL_FOLDER_INVALID, or what looking at it throws. */
  readonly source: (path: string) => Promise<ModelSource>;
  /** `link` uses the folder where it lies; throws MODEL_FOLDER_INVALID, MODEL_BUSY. */
  readonly importFrom: (path: string, how: ImportHow) => Promise<void>;
  /** Throws NETWORK_OFF, MODEL_BUSY. */
  readonly download: () => Promise<void>;
  /** What {@link mend} would write into. Throws MODEL_UNKNOWN. */
  readonly mending: (modelId: string) => Promise<ModelMending>;
  /** `ownFolder`: the user permits to write into a folder of their own. Throws MODEL_UNKNOWN, MODEL_SHIPPED, MODEL_FOLDER_OWN, NETWORK_OFF, MODEL_BUSY. */
  readonly mend: (modelId: string, ownFolder: boolean) => Promise<void>;
  readonly pause: (modelId: string) => Promise<void>;
  readonly resume: (modelId: string) => Promise<void>;
  /** Gives up a repair that cannot be finished; the model is taken as its files are. */
  readonly leave: (modelId: string) => Promise<void>;
  readonly removal: (modelId: string) => Promise<ModelRemoval>;
  /** Throws MODEL_UNKNOWN, MODEL_NOT_OF_STORE, MODEL_FOLDER_BUSY. */
  readonly remove: (modelId: string) => Promise<ModelRemoval>;
  readonly rename: (modelId: string, name: string) => Promise<void>;
}

export interface ModelStoreDependencies {
  readonly models: Models;
  readonly transfers: Transfers;
  readonly program: StoreProgram;
  readonly settings: { readonly get: () => Settings; readonly change: (change: Partial<Settings>) => Promise<unknown> };
  readonly storeFolder: () => string;
  readonly offline: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly inspect: (folder: string) => Promise<ModelInspection>;
}

const REPOSITORIES = ["Wan-AI/Wan2.2-S2V-14B", "Quark-Vision/Live-Avatar"];
const MODEL_NAME = "Wan2.2-S2V-14B";
const HUB = "https://huggingface.co";
/** With text and speech encoders, codec and LoRA. */
const DOWNLOAD_BYTES = 49e9;

export function createModelStore({ models, transfers, program, settings, storeFolder, offline, environment, inspect }: ModelStoreDependencies): ModelStore {
  const facts = async (): Promise<StoreFacts> => ({
    folder: storeFolder(),
    freeBytes: await freeBytesAt(storeFolder()),
    offline,
    endpoint: settings.get().downloads.endpoint ?? (environment.HF_ENDPOINT === undefined || environment.HF_ENDPOINT === "" ? HUB : environment.HF_ENDPOINT),
    repositories: REPOSITORIES,
    downloadBytes: DOWNLOAD_BYTES,
  });

  /** The model in a chosen folder, or directly below it. */
  const modelAt = async (path: string): Promise<string> => {
    if (!isAbsolute(path) || !(await isFolder(path))) throw invalid("This is not a folder that can be read.", "It was moved, or it is a file.");
    const [first] = await findModelFolders([path]);
    return first?.path ?? path;
  };

  /** A name in the store that is free, or one whose download is not finished. */
  const place = async (name: string, goesOn: boolean): Promise<string> => {
    for (let number = 1; ; number += 1) {
      const folder = join(storeFolder(), number === 1 ? name : `${name} ${String(number)}`);
      const record = await readStoreRecord(folder);
      const taken = transfers.list().some((one) => one.folder === folder) || (await isFolder(folder));
      if (!taken || (goesOn && record?.complete === false && record.origin.kind === "hub")) return folder;
    }
  };

  const begin = async (folder: string, ...rest: readonly [Parameters<Transfers["start"]>[1], boolean]): Promise<void> => {
    transfers.start(folder, ...rest);
    await models.refresh();
  };

  const removal = async (modelId: string, ...more: readonly string[]): Promise<ModelRemoval> => {
    const { path } = await models.folderOf(modelId);
    if ((await readStoreRecord(path)) === null && transfers.list().some((one) => one.folder === path)) return { freedBytes: 0, keptFiles: [] };
    const end = await runStoreCommand(program, ["remove", path, ...more], { LIVE_AVATAR_OFFLINE: "1" }, new AbortController().signal, () => undefined);
    return end.kind === "removed" ? { freedBytes: end.freed_bytes, keptFiles: end.kept_files } : { freedBytes: 0, keptFiles: [] };
  };

  return {
    facts,
    choose: async (folder) => {
      if (!isAbsolute(folder) || !(await isFolder(folder))) throw invalid("This is not a folder that can be used.", "It was moved, or it is a file.");
      const before = storeFolder();
      await settings.change({ modelStore: folder });
      // What lies in the old place stays on the list.
      if ((await isFolder(before)) && before !== folder && (await findModelFolders([before])).some(({ path }) => path !== before)) await settings.change({ modelFolders: [...new Set([...settings.get().modelFolders, before])] });
      await models.refresh();
      return facts();
    },
    source: async (path) => {
      const folder = await modelAt(path);
      const found = await inspect(folder);
      const nearest = await nearestFolder(storeFolder());
      return { name: basename(folder), bytes: found.bytes, usable: found.usable, faults: [...found.faults], sameDisk: await onOneDisk(folder, nearest), freeBytes: await freeBytesAt(nearest) };
    },
    importFrom: async (path, how) => {
      const folder = await modelAt(path);
      if (how === "link") {
        await models.addFolder(path);
        // From now on it is known how its files were.
        const model = (await models.paths()).find((one) => one.path === folder);
        if (model !== undefined) await models.find(model.id).then(() => models.verify(model.id)).catch(() => undefined);
        return;
      }
      await mkdir(storeFolder(), { recursive: true });
      await begin(await place(basename(folder), false), { kind: "import", source: folder, how }, false);
    },
    download: async () => {
      const unfinished = transfers.list().find((one) => one.request.kind === "download" && dirname(one.folder) === storeFolder());
      await begin(unfinished?.folder ?? (await place(MODEL_NAME, true)), { kind: "download" }, false);
    },
    mending: async (modelId) => {
      const { path, keeping } = await models.folderOf(modelId);
      return { ownFolder: keeping === "folder" ? path : null };
    },
    mend: async (modelId, ownFolder) => {
      if (modelId === DEMO_MODEL) throw new FaultError({ code: "MODEL_SHIPPED", what: "The demo model is a part of the program.", why: "It is neither downloaded nor imported.", hint: "Install Avatar Studio again if its files are damaged." });
      const { path, keeping } = await models.folderOf(modelId);
      if (keeping === "folder" && !ownFolder) throw new FaultError({ code: "MODEL_FOLDER_OWN", what: "Nothing was written into your folder.", why: `The model is used where it lies, and nobody has permitted to change it: ${path}`, hint: "Permit it when you are asked, or mend the folder yourself and verify it again." });
      await begin(path, (await requestOfRecord(path)) ?? { kind: "download" }, true);
    },
    pause: async (modelId) => transfers.pause((await models.folderOf(modelId)).path),
    resume: async (modelId) => transfers.resume((await models.folderOf(modelId)).path),
    leave: async (modelId) => {
      const { path } = await models.folderOf(modelId);
      await transfers.forget(path);
      await models.filesChanged(path);
    },
    removal: (modelId) => removal(modelId, "--dry_run"),
    remove: async (modelId) => {
      const { path, searched } = await models.folderOf(modelId);
      await transfers.pause(path);
      const removed = await removal(modelId);
      await transfers.forget(path);
      const { defaultModelId, modelNames, modelFolders } = settings.get();
      await settings.change({
        modelNames: Object.fromEntries(Object.entries(modelNames).filter(([id]) => id !== modelId)),
        ...(defaultModelId === modelId ? { defaultModelId: DEMO_MODEL } : {}),
        ...(searched === path ? { modelFolders: modelFolders.filter((folder) => folder !== path) } : {}),
      });
      await models.filesChanged(path);
      return removed;
    },
    rename: async (modelId, name) => {
      await models.folderOf(modelId);
      await settings.change({ modelNames: { ...settings.get().modelNames, [modelId]: name } });
      models.transfersChanged();
    },
  };
}

/** The folder, or the nearest one above it that is there. */
async function nearestFolder(folder: string): Promise<string> {
  return (await isFolder(folder)) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

async function freeBytesAt(folder: string): Promise<number> {
  const facts = await statfs(await nearestFolder(folder));
  return facts.bavail * facts.bsize;
}

function invalid(what: string, why: string): FaultError {
  return new FaultError({ code: "MODEL_FOLDER_INVALID", what, why, hint: "Choose the folder that the model's files lie in." });
}
