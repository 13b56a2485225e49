import { ORPCError, safe } from "@orpc/client";
import { connection, client, faultOf } from "../rpc/client.ts";
import { jobs } from "../rpc/streams.ts";
import type { SharedStream } from "../rpc/stream.ts";
import { createSession, type EditorSession } from "./editor-session.ts";
import { followJobDocuments } from "./job-documents.ts";
import { newId } from "./new-id.ts";
import { addSession, returnToSession } from "./left-sessions.ts";
import type { ProjectStorage, SaveOutcome } from "./project-saver.ts";

/** Pause between attempts while the connection is there but the server does not answer. */
const RETRY_MILLISECONDS = 1_000;

/**
 * Opens a project, as it was left if edits still wait for the server, and keeps it in step with the server until the session ends.
 * @param signal gives up waiting for the server to open it; once it is open, it has no effect
 * @throws a typed error of the contract, or a failed connection: `faultOf` makes it readable.
 */
export async function openSession(projectId: string, signal?: AbortSignal): Promise<EditorSession> {
  const leftBefore = returnToSession(projectId);
  if (leftBefore !== null) return leftBefore;
  const opened = await client.projects.open({ kind: "id", projectId }, signal === undefined ? {} : { signal });
  const windowId = newId();
  const session = createSession(projectId, opened, storageOf(projectId, windowId));
  const ended = new AbortController();
  void watchProject(session, projectId, windowId, ended.signal);
  const { server } = session.editor;
  const followDocuments = followJobDocuments(async (jobId) => (await client.jobs.document({ jobId })).document, server.jobDocuments);
  const stopJobs = follow(jobs, (list) => {
    server.jobs(list);
    followDocuments(list.filter((job) => job.projectId === projectId));
  });
  const whole: EditorSession = {
    ...session,
    dispose: () => {
      ended.abort();
      stopJobs();
      session.dispose();
    },
  };
  addSession(whole);
  return whole;
}

function storageOf(projectId: string, windowId: string): ProjectStorage {
  return {
    save: async (document, baseRevision): Promise<SaveOutcome> => {
      const { error, data } = await safe(client.projects.save({ projectId, baseRevision, windowId, document }));
      if (error === null) return { kind: "saved", revision: data.revision };
      if (!(error instanceof ORPCError)) return { kind: "no-answer" };
      const fault = faultOf(error);
      return fault.code === "PROJECT_CHANGED_ELSEWHERE" ? { kind: "changed-elsewhere" } : { kind: "refused", fault };
    },
    newest: async () => {
      const { error, data } = await safe(client.projects.open({ kind: "id", projectId }));
      return error === null ? { document: data.document, revision: data.revision } : null;
    },
    untilWorthRetrying,
  };
}

/** Resolves when the connection is back; after a pause when it had not been lost. */
function untilWorthRetrying(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      if (connection.getState().state.kind === "open") done();
    }, RETRY_MILLISECONDS);
    const stop = connection.subscribe(({ state }) => {
      if (state.kind === "open") done();
    });
    const done = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
  });
}

async function watchProject(session: EditorSession, projectId: string, windowId: string, signal: AbortSignal): Promise<void> {
  const { server } = session.editor;
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      for await (const event of await client.projects.watch({ projectId }, { signal, context: { retry: Number.POSITIVE_INFINITY } })) {
        switch (event.kind) {
          case "saved":
            if (event.windowId !== windowId) server.savedElsewhere({ document: event.document, revision: event.revision });
            break;
          case "written":
            server.written();
            break;
          case "write-failed":
            server.writeFailed(event.fault);
            break;
          case "output":
            server.output(event.output);
            break;
          case "missing-media":
            server.missingMedia(event.mediaIds);
            break;
        }
      }
    } catch (error) {
      if (isOver()) return;
      server.writeFailed(faultOf(error));
    }
    if (!isOver()) await catchUp(session, projectId);
  }
}

/** After the event stream was lost for good: what was missed is asked for at once. */
async function catchUp(session: EditorSession, projectId: string): Promise<void> {
  await untilWorthRetrying();
  const { error, data } = await safe(client.projects.open({ kind: "id", projectId }));
  if (error !== null) return;
  const { server } = session.editor;
  server.savedElsewhere({ document: data.document, revision: data.revision });
  for (const output of data.outputs) server.output(output);
  server.missingMedia(data.missingMedia);
  server.written();
}

/** Calls back with every value of a shared stream, the latest one at once. */
function follow<T>(stream: SharedStream<T>, listener: (value: T) => void): () => void {
  const tell = () => {
    const state = stream.get();
    if (state.kind === "live") listener(state.value);
  };
  const stop = stream.subscribe(tell);
  tell();
  return stop;
}
