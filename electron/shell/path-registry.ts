import { basename } from "node:path";
import type { PathHandle } from "../contract/shell.ts";
import type { ServerProcess } from "./server-process.ts";

/** Paths that the user chose in this session, and the handles under which the page knows them. */
export interface PathRegistry {
  /** Rejects when the server does not take the path. */
  readonly register: (path: string, access: "read" | "write") => Promise<PathHandle>;
  /** Null for a handle that was not made here. */
  readonly pathOf: (handle: string) => string | null;
}

export function createPathRegistry(server: ServerProcess): PathRegistry {
  const paths = new Map<string, string>();
  return {
    register: async (path, access) => {
      const answer = await server.ask({ kind: "register-path", path, access });
      if (answer.kind !== "path-registered") throw new Error(answer.kind === "refused" ? answer.fault.what : "The server gave another answer.");
      paths.set(answer.handle, path);
      return { handle: answer.handle, name: basename(path) };
    },
    pathOf: (handle) => paths.get(handle) ?? null,
  };
}
