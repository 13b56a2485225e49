import { type BrowserWindow, dialog } from "electron";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type FileKind, type OpenRequest, type PathHandle, type SaveRequest, fileKinds } from "../contract/shell.ts";
import { type JsonFile, jsonFile } from "./json-file.ts";
import type { PathRegistry } from "./path-registry.ts";

/** Where the user last was, per kind of file: the system does not remember it for us. */
const lastFoldersSchema = z.partialRecord(z.enum(fileKinds), z.string());
type LastFolders = z.infer<typeof lastFoldersSchema>;

export interface Dialogs {
  readonly chooseFiles: (request: OpenRequest) => Promise<readonly PathHandle[]>;
  readonly chooseTarget: (request: SaveRequest) => Promise<PathHandle | null>;
}

/** The system's own dialogs to open and save files. */
export function createDialogs(window: BrowserWindow, paths: PathRegistry, memoryFile: string): Dialogs {
  const memory: JsonFile<LastFolders> = jsonFile(memoryFile, lastFoldersSchema, {});
  const remember = (kind: FileKind, path: string): void => memory.write({ ...memory.read(), [kind]: dirname(path) });

  return {
    chooseFiles: async ({ kind, title, filters, multiple, folder }) => {
      const lastFolder = memory.read()[kind];
      const { canceled, filePaths } = await dialog.showOpenDialog(window, {
        title,
        filters: filters.map(({ name, extensions }) => ({ name, extensions: [...extensions] })),
        properties: [folder ? "openDirectory" : "openFile", ...(multiple ? (["multiSelections"] as const) : [])],
        ...(lastFolder === undefined ? {} : { defaultPath: lastFolder }),
      });
      const first = filePaths[0];
      if (canceled || first === undefined) return [];
      remember(kind, first);
      return Promise.all(filePaths.map((path) => paths.register(path, "read")));
    },
    chooseTarget: async ({ kind, title, suggestedName, filters }) => {
      const lastFolder = memory.read()[kind];
      const { canceled, filePath } = await dialog.showSaveDialog(window, {
        title,
        filters: filters.map(({ name, extensions }) => ({ name, extensions: [...extensions] })),
        properties: ["showOverwriteConfirmation", "createDirectory"],
        defaultPath: lastFolder === undefined ? suggestedName : join(lastFolder, suggestedName),
      });
      if (canceled || !filePath) return null;
      remember(kind, filePath);
      return paths.register(filePath, "write");
    },
  };
}
