import { useCallback, useEffect, useRef, useState } from "react";
import type { Fault } from "../../../../electron/contract/fault.schema.ts";
import { navigate } from "../../app/navigation.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { openSession } from "../../editor/open-session.ts";
import { endSession, leaveSession } from "../../editor/left-sessions.ts";
import { client, faultOf } from "../../rpc/client.ts";
import { isEmpty } from "./draft.ts";
import { createProject } from "./new-project.ts";

export interface DraftProject {
  /** The open project; null before the first material. */
  readonly session: EditorSession | null;
  /** Opens a project of that address. */
  readonly opening: boolean;
  readonly fault: Fault | null;
  /** The project, made now if there is none. Two calls at once get the same one. */
  readonly ensure: () => Promise<EditorSession>;
}

interface Held {
  readonly projectId: string;
  readonly session: EditorSession;
}

/**
 * The project behind the New video screen. It comes into being with the first material, and one that was made here and is
 * still empty when the screen is left is removed.
 */
export function useDraft(projectId: string | null): DraftProject {
  const [held, setHeld] = useState<Held | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const holder = useRef<Held | null>(null);
  const making = useRef<Promise<EditorSession> | null>(null);
  const madeHere = useRef<string | null>(null);

  const hold = useCallback((next: Held | null) => {
    if (holder.current !== null && holder.current !== next) leaveSession(holder.current.session);
    holder.current = next;
    setHeld(next);
  }, []);

  useEffect(() => {
    if (projectId === null || holder.current?.projectId === projectId) return;
    const abort = new AbortController();
    openSession(projectId, abort.signal).then(
      (session) => {
        if (abort.signal.aborted) {
          leaveSession(session);
          return;
        }
        setFault(null);
        hold({ projectId, session });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setFault(faultOf(error));
      },
    );
    // Once held, the session lives as long as the screen.
    return () => abort.abort();
  }, [projectId, hold]);

  useEffect(
    () => () => {
      const last = holder.current;
      holder.current = null;
      if (last === null) return;
      const empty = madeHere.current === last.projectId && isEmpty(last.session.editor.store.getState().history.present);
      if (!empty) {
        leaveSession(last.session);
        return;
      }
      endSession(last.session);
      // It does not matter when this fails: an empty project then stays in the list.
      client.projects.remove({ projectId: last.projectId }).catch(() => undefined);
    },
    [],
  );

  const ensure = useCallback((): Promise<EditorSession> => {
    if (holder.current !== null) return Promise.resolve(holder.current.session);
    making.current ??= (async () => {
      try {
        const projectId = await createProject(null);
        madeHere.current = projectId;
        const session = await openSession(projectId);
        hold({ projectId, session });
        navigate({ page: "new", projectId }, { replace: true });
        return session;
      } finally {
        making.current = null;
      }
    })();
    return making.current;
  }, [hold]);

  const session = held?.session ?? null;
  return { session, opening: session === null && projectId !== null && fault === null, fault, ensure };
}
