import { createContext, type ReactNode, useContext, useEffect, useLayoutEffect, useState } from "react";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { shell } from "../app/shell.ts";
import { faultOf } from "../rpc/client.ts";
import { currentSession, type EditorSession } from "./editor-session.ts";
import { openSession } from "./open-session.ts";

const SessionContext = createContext<EditorSession | null>(null);

/** The open project. Only below a {@link SessionProvider}. */
export function useSession(): EditorSession {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("No project is open here");
  return session;
}

export type Opening = { readonly kind: "opening" } | { readonly kind: "open"; readonly session: EditorSession } | { readonly kind: "failed"; readonly fault: Fault };

/** Opens a project for as long as the component is on the page. */
export function useOpening(projectId: string): Opening {
  const [opened, setOpened] = useState<{ readonly projectId: string; readonly opening: Opening } | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    let session: EditorSession | null = null;
    openSession(projectId, abort.signal).then(
      (result) => {
        if (abort.signal.aborted) result.dispose();
        else {
          session = result;
          setOpened({ projectId, opening: { kind: "open", session: result } });
        }
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setOpened({ projectId, opening: { kind: "failed", fault: faultOf(error) } });
      },
    );
    return () => {
      abort.abort();
      session?.dispose();
    };
  }, [projectId]);
  return opened?.projectId === projectId ? opened.opening : { kind: "opening" };
}

/** Gives an open session to everything below, and to the commands of menus and keys. */
export function SessionProvider({ session, children }: { readonly session: EditorSession; readonly children: ReactNode }) {
  // Before the browser shows the studio: keys act on what is seen.
  useLayoutEffect(() => {
    currentSession.setState({ session });
    return () => {
      if (currentSession.getState().session === session) currentSession.setState({ session: null });
    };
  }, [session]);
  useLeaveGuard(session);
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

/** A browser asks before it leaves a page whose last edits the server does not have yet. The desktop program has its own way to end. */
function useLeaveGuard({ editor }: EditorSession): void {
  useEffect(() => {
    if (shell !== null) return;
    const ask = (event: BeforeUnloadEvent) => {
      if (editor.store.getState().saving.kind !== "saved") event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [editor]);
}
