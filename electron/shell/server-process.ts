import type { Fault } from "../contract/fault.schema.ts";
import { type MessageToServer, type MessageToShell, messageToShellSchema, serverStartSchema } from "../contract/shell-messages.schema.ts";
import type { ServerState } from "../contract/shell.ts";
import { decideRestart } from "./restart-policy.ts";
import type { LaunchServer, ServerChild } from "./server-child.ts";

const START_MILLISECONDS = 60_000;
const ANSWER_MILLISECONDS = 5_000;
/** Projects are flushed and workers ended within this time, or the process is killed: what is on disk is whole at any time. */
const STOP_MILLISECONDS = 12_000;

/** A question to the server, without the number that ties its answer to it. */
type Question = Extract<MessageToServer, { requestId: number }> extends infer One ? (One extends { requestId: number } ? Omit<One, "requestId"> : never) : never;

/** The studio server, kept running. */
export interface ServerProcess {
  /** Resolves with the page's address, or with why there is none. */
  readonly start: () => Promise<{ readonly kind: "ready"; readonly url: string } | { readonly kind: "failed"; readonly fault: Fault }>;
  /** Rejects when the server does not answer in time. */
  readonly ask: (question: Question) => Promise<MessageToShell>;
  readonly stop: () => Promise<void>;
}

export interface ServerProcessOptions {
  readonly launch: LaunchServer;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  readonly onState: (state: ServerState) => void;
  /** The server is there again after it died; pages need the new address for a new session. */
  readonly onRestarted: (url: string) => void;
}

/**
 * Starts the server; when it dies by itself, starts it again on the same port, at most as often as `decideRestart` allows.
 * Questions that are open when it dies are rejected.
 */
export function createServerProcess({ launch, now, onState, onRestarted }: ServerProcessOptions): ServerProcess {
  type Phase = { readonly kind: "down" } | { readonly kind: "up"; readonly child: ServerChild } | { readonly kind: "stopping"; readonly child: ServerChild };
  let phase: Phase = { kind: "down" };
  let port = 0;
  let lastRequestId = 0;
  const deaths: number[] = [];
  const open = new Map<number, { readonly resolve: (answer: MessageToShell) => void; readonly reject: (reason: Error) => void }>();
  let onStopped: (() => void) | null = null;

  const launchOnce: ServerProcess["start"] = () =>
    new Promise((resolve) => {
      let started = false;
      const fail = (fault: Fault): void => {
        clearTimeout(deadline);
        resolve({ kind: "failed", fault });
      };
      const child = launch(["--ready-json", "--server-port", String(port), "--next-port"], {
        onLine: (line) => {
          const start = started ? null : parseStart(line);
          if (start === null) return;
          if (start.ready !== true) {
            fail(start.error);
            return;
          }
          started = true;
          clearTimeout(deadline);
          port = Number(new URL(start.url).port);
          resolve({ kind: "ready", url: start.url });
        },
        onMessage: (message) => {
          const answer = messageToShellSchema.safeParse(message);
          if (!answer.success) return;
          open.get(answer.data.requestId)?.resolve(answer.data);
        },
        onExit: () => {
          const stopping = phase.kind === "stopping";
          phase = { kind: "down" };
          for (const { reject } of open.values()) reject(new Error("The server has ended."));
          if (stopping) onStopped?.();
          else if (started) diedByItself();
          else fail(ENDED_EARLY);
        },
      });
      const deadline = setTimeout(() => {
        fail(TOO_SLOW);
        child.kill();
      }, START_MILLISECONDS);
      phase = { kind: "up", child };
    });

  const diedByItself = (): void => {
    deaths.push(now());
    const decision = decideRestart(deaths);
    if (decision.kind === "give-up") {
      onState({ kind: "stopped", fault: KEEPS_DYING });
      return;
    }
    onState({ kind: "restarting", attempt: decision.attempt });
    setTimeout(() => {
      void launchOnce().then((outcome) => {
        if (outcome.kind === "failed") onState({ kind: "stopped", fault: outcome.fault });
        else {
          onRestarted(outcome.url);
          onState({ kind: "running" });
        }
      });
    }, decision.delayMilliseconds);
  };

  const ask: ServerProcess["ask"] = (question) => {
    if (phase.kind !== "up") return Promise.reject(new Error("The server is not running."));
    const { child } = phase;
    const requestId = ++lastRequestId;
    return new Promise<MessageToShell>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error("The server does not answer.")), ANSWER_MILLISECONDS);
      const settle = (): void => {
        clearTimeout(deadline);
        open.delete(requestId);
      };
      open.set(requestId, {
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      });
      child.send({ ...question, requestId });
    });
  };

  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      if (phase.kind !== "up") {
        resolve();
        return;
      }
      const { child } = phase;
      phase = { kind: "stopping", child };
      const deadline = setTimeout(child.kill, STOP_MILLISECONDS);
      onStopped = () => {
        clearTimeout(deadline);
        resolve();
      };
      child.send({ kind: "shutdown" });
    });

  return { start: launchOnce, ask, stop };
}

function parseStart(line: string): ReturnType<typeof serverStartSchema.parse> | null {
  try {
    return serverStartSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

const fault = (code: string, what: string, why: string, hint: string): Fault => ({ code, what, why, hint, field: null });
const ENDED_EARLY = fault("SERVER_ENDED_EARLY", "The studio's server ended while it started.", "It did not say why.", "Look at the newest log in the data folder.");
const TOO_SLOW = fault("SERVER_START_SLOW", "The studio's server did not start within a minute.", "The disk may be very slow, or another program holds it up.", "Start Avatar Studio again.");
const KEEPS_DYING = fault("SERVER_KEEPS_ENDING", "The studio's server has stopped several times.", "It ended by itself each time it was started again.", "Start Avatar Studio again; if it happens once more, look at the newest log in the data folder.");
