import { createContext, type ReactNode, useContext, useEffect, useLayoutEffect, useState } from "react";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { faultOf } from "../rpc/client.ts";
import { currentSession, type EditorSession } from "./editor-session.ts";
import { openSession } from "./open-session.ts";
import { leaveSession } from "./left-sessions.ts";

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
        if (abort.signal.aborted) leaveSession(result);
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
      if (session !== null) leaveSession(session);
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
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}
