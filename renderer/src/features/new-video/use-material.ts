import { useCallback, useEffect, useRef, useState } from "react";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import type { FileSource } from "../../../../electron/contract/rpc.ts";
import { faultOf, pageFault } from "../../rpc/client.ts";
import { kindOfFile, sourceOfFile } from "../../rpc/upload.ts";

export type MaterialState = { readonly kind: "idle" } | { readonly kind: "working"; readonly share: number | null } | { readonly kind: "failed"; readonly fault: Fault };

/** Brings one kind of file into the project. A newer file takes the place of one still on its way. */
export interface Material {
  readonly state: MaterialState;
  readonly takeFile: (file: File) => void;
  readonly takeSource: (source: FileSource) => void;
  readonly fail: (fault: Fault) => void;
  readonly cancel: () => void;
}

export function useMaterial(kind: "picture" | "recording", bring: (source: FileSource, signal: AbortSignal) => Promise<void>): Material {
  const [state, setState] = useState<MaterialState>({ kind: "idle" });
  const running = useRef<AbortController | null>(null);
  const latest = useRef(bring);
  useEffect(() => {
    latest.current = bring;
  });
  useEffect(() => () => running.current?.abort(), []);

  const run = useCallback(async (find: (signal: AbortSignal) => Promise<FileSource>) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    const superseded = () => abort.signal.aborted;
    setState({ kind: "working", share: null });
    try {
      const source = await find(abort.signal);
      if (superseded()) return;
      setState({ kind: "working", share: null });
      await latest.current(source, abort.signal);
      if (!superseded()) setState({ kind: "idle" });
    } catch (error) {
      if (!superseded()) setState({ kind: "failed", fault: faultOf(error) });
    }
  }, []);

  const fail = useCallback((fault: Fault) => {
    running.current?.abort();
    setState({ kind: "failed", fault });
  }, []);
  const takeFile = useCallback(
    (file: File) => {
      if (kindOfFile(file) !== kind) {
        // A dropped folder comes as a file without type and, in most systems, without content.
        const folder = file.type === "" && !file.name.includes(".");
        fail(pageFault(folder ? "FOLDER_DROPPED" : kind === "picture" ? "NOT_A_PICTURE" : "NOT_A_RECORDING"));
        return;
      }
      void run((signal) => sourceOfFile(file, { signal, onProgress: (share) => !signal.aborted && setState({ kind: "working", share }) }));
    },
    [fail, kind, run],
  );
  const takeSource = useCallback((source: FileSource) => void run(() => Promise.resolve(source)), [run]);
  const cancel = useCallback(() => {
    running.current?.abort();
    setState({ kind: "idle" });
  }, []);
  return { state, takeFile, takeSource, fail, cancel };
}
