import { useCallback, useEffect, useRef, useState } from "react";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { faultOf } from "./client.ts";

export type CallState<T> = { readonly kind: "loading"; readonly last: T | null } | { readonly kind: "done"; readonly value: T } | { readonly kind: "failed"; readonly fault: Fault; readonly last: T | null };

/**
 * Asks when the component appears and whenever `key` changes; an answer to an older question is dropped.
 * A null key asks nothing.
 */
export function useCall<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): { readonly state: CallState<T>; readonly again: () => void } {
  const [round, setRound] = useState(0);
  const question = key === null ? null : `${key} ${String(round)}`;
  const [answer, setAnswer] = useState<{ readonly question: string | null; readonly state: CallState<T> }>({ question: null, state: { kind: "loading", last: null } });
  const latestAsk = useRef(ask);
  useEffect(() => {
    latestAsk.current = ask;
  });
  useEffect(() => {
    if (question === null) return;
    const abort = new AbortController();
    latestAsk.current(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) setAnswer({ question, state: { kind: "done", value } });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setAnswer((before) => ({ question, state: { kind: "failed", fault: faultOf(error), last: lastOf(before.state) } }));
      },
    );
    return () => abort.abort();
  }, [question]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  const state: CallState<T> = answer.question === question ? answer.state : { kind: "loading", last: lastOf(answer.state) };
  return { state, again };
}

/** The newest answer, also an older one while the next is awaited. */
export function lastOf<T>(state: CallState<T>): T | null {
  return state.kind === "done" ? state.value : state.last;
}

/** One act at a time, started by the user: whether it runs, and what went wrong. */
export function useAct(): { readonly busy: boolean; readonly fault: Fault | null; readonly act: (work: () => Promise<unknown>) => Promise<boolean>; readonly clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const act = useCallback(async (work: () => Promise<unknown>) => {
    setBusy(true);
    setFault(null);
    try {
      await work();
      return true;
    } catch (error) {
      setFault(faultOf(error));
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setFault(null), []);
  return { busy, fault, act, clear };
}
