import { basename } from "node:path";
import { type FileSource } from "../../contract/rpc.ts";
import { FaultError } from "../common/fault-error.ts";
import { type PathHandles } from "./path-handles.ts";

/** A file that a page named, wherever it comes from. */
export interface SourceFile {
  readonly path: string;
  readonly name: string;
  /** Its content was taken over. */
  readonly used: () => Promise<void>;
}

export interface SourceDependencies {
  readonly handles: PathHandles;
  readonly uploads: { readonly find: (id: string) => { readonly path: string; readonly name: string } | null; readonly remove: (id: string) => Promise<void> };
  readonly examples: { readonly fileOf: (id: string, file: "portrait" | "voice") => Promise<string> };
}

/** Throws UPLOAD_UNKNOWN, HANDLE_UNKNOWN or EXAMPLE_UNKNOWN. */
export async function findSource(source: FileSource, { handles, uploads, examples }: SourceDependencies): Promise<SourceFile> {
  const nothing = (): Promise<void> => Promise.resolve();
  switch (source.kind) {
    case "upload": {
      const upload = uploads.find(source.uploadId);
      if (upload === null) throw new FaultError({ code: "UPLOAD_UNKNOWN", what: "The file is not there any more.", why: "It was sent too long ago, or used already.", hint: "Send it again.", field: "source" });
      return { path: upload.path, name: upload.name, used: () => uploads.remove(source.uploadId) };
    }
    case "handle": {
      const path = handles.pathOf(source.handle, "read");
      return { path, name: basename(path), used: nothing };
    }
    case "example": {
      const path = await examples.fileOf(source.example, source.file);
      return { path, name: `${source.example}-${basename(path)}`, used: nothing };
    }
  }
}
