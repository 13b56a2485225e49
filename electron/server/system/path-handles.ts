import { randomBytes } from "node:crypto";
import { isAbsolute } from "node:path";
import { FaultError } from "../common/fault-error.ts";

/** Paths that the user chose in a native dialog or dropped on the window. Pages know only the handles. */
export interface PathHandles {
  readonly register: (path: string, access: "read" | "write") => string;
  /** Throws HANDLE_UNKNOWN. */
  readonly pathOf: (handle: string, access: "read" | "write") => string;
}

/** More than anybody chooses between two uses of the first. */
const MOST_HANDLES = 10_000;

export function createPathHandles(): PathHandles {
  const paths = new Map<string, { readonly path: string; readonly access: "read" | "write" }>();
  return {
    register: (path, access) => {
      if (!isAbsolute(path) || path.includes("\0")) throw new FaultError({ code: "PATH_INVALID", what: "The file cannot be used.", why: "Its path is not absolute.", hint: "Choose it in the dialog." });
      const handle = randomBytes(16).toString("hex");
      paths.set(handle, { path, access });
      for (const oldest of paths.keys()) {
        if (paths.size <= MOST_HANDLES) break;
        paths.delete(oldest);
      }
      return handle;
    },
    pathOf: (handle, access) => {
      const entry = paths.get(handle);
      if (entry?.access === access) return entry.path;
      throw new FaultError({ code: "HANDLE_UNKNOWN", what: "The chosen file is not known any more.", why: "The studio was restarted since it was chosen.", hint: "Choose it again." });
    },
  };
}
