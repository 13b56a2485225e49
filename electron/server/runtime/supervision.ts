import type { Said } from "../../contract/said.schema.ts";
import { assertNever } from "../../contract/assert-never.ts";
import type { Fault } from "../../contract/fault.schema.ts";

/**
 * Life of one engine worker as a pure state machine. Time is counted in ticks of one second of a running timer, not in
 * clock time: a laptop that slept, or a clock that was set, does not look like a worker that fell silent.
 */

/** What the worker does, as its client knows it. */
export type Activity = { readonly kind: "idle"; readonly model: string | null } | { readonly kind: "busy"; readonly doing: Said; readonly jobId: string | null };

type Alive = {
  readonly engineVersion: string;
  readonly heartbeatSeconds: number;
  /** Starts in a row that came to nothing before this one. */
  readonly attempt: number;
  /** Ticks since the worker last said anything. */
  readonly silentTicks: number;
  /** Why it is being ended, or null. */
  readonly ending: Fault | null;
};

export type Supervision =
  | { readonly status: "stopped" }
  | { readonly status: "starting"; readonly attempt: number; readonly ticks: number; readonly ending: Fault | null }
  | ({ readonly status: "ready"; readonly model: string | null } & Alive)
  | ({ readonly status: "busy"; readonly doing: Said; readonly jobId: string | null } & Alive)
  | { readonly status: "restarting"; readonly attempt: number; readonly ticksLeft: number; readonly fault: Fault }
  | { readonly status: "stopping"; readonly startAgain: boolean }
  | { readonly status: "failed"; readonly fault: Fault };

export type SupervisionEvent =
  | { readonly kind: "start" }
  /** End it, and with `startAgain` begin anew (another choice of cards, or the user asked for it). */
  | { readonly kind: "stop"; readonly startAgain: boolean }
  | { readonly kind: "hello"; readonly engineVersion: string; readonly heartbeatSeconds: number }
  /** A message of any kind arrived. `proven`: by it the worker has shown that it works, such as a heartbeat or a finished clip. */
  | { readonly kind: "heard"; readonly proven: boolean }
  | { readonly kind: "activity"; readonly activity: Activity }
  | { readonly kind: "tick" }
  /** It said that it cannot work here, and ends by itself. */
  | { readonly kind: "unusable"; readonly fault: Fault }
  /** The process is gone, or could not be started. `fatal`: trying again cannot help. */
  | { readonly kind: "exited"; readonly fault: Fault; readonly fatal: boolean };

/** What the caller has to do after a step. `shutdown` asks politely first, `kill` does not. */
export type Effect = "none" | "spawn" | "shutdown" | "kill";
export type Step = { readonly state: Supervision; readonly effect: Effect };

export const LIMITS = {
  /** Importing torch from a cold disk may take minutes. */
  startTicks: 300,
  /** Heartbeats missed until the silence is named, and until the worker is ended. */
  heartbeatsUntilNamed: 5,
  heartbeatsUntilEnded: 45,
  /** Waits before each new start; when they are used up, the worker has failed. */
  backoffTicks: [1, 2, 4, 8, 16],
} as const;

export const STOPPED: Supervision = { status: "stopped" };

/** The state after `event`, and what to do. Events that do not fit the state change nothing. */
export function step(state: Supervision, event: SupervisionEvent): Step {
  switch (event.kind) {
    case "start":
      return state.status === "stopped" || state.status === "failed" ? starting(0) : same(state);
    case "stop":
      return stop(state, event.startAgain);
    case "hello":
      if (state.status !== "starting") return same(state);
      return quiet({ status: "ready", model: null, engineVersion: event.engineVersion, heartbeatSeconds: event.heartbeatSeconds, attempt: state.attempt, silentTicks: 0, ending: state.ending });
    case "heard":
      if (!isAlive(state) || (state.silentTicks === 0 && (state.attempt === 0 || !event.proven))) return same(state);
      // A worker that lived so long started well: later trouble counts anew.
      return quiet({ ...state, silentTicks: 0, attempt: event.proven ? 0 : state.attempt });
    case "activity":
      return isAlive(state) ? quiet(withActivity(state, event.activity)) : same(state);
    case "tick":
      return tick(state);
    case "unusable":
      return isAlive(state) || state.status === "starting" ? quiet({ status: "failed", fault: event.fault }) : same(state);
    case "exited":
      return exited(state, event.fault, event.fatal);
    default:
      return assertNever(event);
  }
}

/** Seconds since the worker last said anything, 0 while it need not say anything. */
export function silentSeconds(state: Supervision): number {
  return isAlive(state) ? state.silentTicks : 0;
}

/** True when the silence is long enough to be shown. */
export function isSilent(state: Supervision): boolean {
  return isAlive(state) && state.silentTicks >= state.heartbeatSeconds * LIMITS.heartbeatsUntilNamed;
}

export function isAlive(state: Supervision): state is Extract<Supervision, { status: "ready" | "busy" }> {
  return state.status === "ready" || state.status === "busy";
}

function tick(state: Supervision): Step {
  switch (state.status) {
    case "starting": {
      const ticks = state.ticks + 1;
      if (ticks < LIMITS.startTicks || state.ending !== null) return quiet({ ...state, ticks });
      return { state: { ...state, ticks, ending: neverStarted(ticks) }, effect: "kill" };
    }
    case "ready":
    case "busy": {
      const silentTicks = state.silentTicks + 1;
      if (silentTicks < state.heartbeatSeconds * LIMITS.heartbeatsUntilEnded || state.ending !== null) return quiet({ ...state, silentTicks });
      return { state: { ...state, silentTicks, ending: fellSilent(state, silentTicks) }, effect: "kill" };
    }
    case "restarting":
      return state.ticksLeft > 1 ? quiet({ ...state, ticksLeft: state.ticksLeft - 1 }) : starting(state.attempt);
    case "stopped":
    case "stopping":
    case "failed":
      return same(state);
    default:
      return assertNever(state);
  }
}

function exited(state: Supervision, fault: Fault, fatal: boolean): Step {
  switch (state.status) {
    case "stopping":
      return state.startAgain ? starting(0) : quiet(STOPPED);
    case "starting":
    case "ready":
    case "busy": {
      const cause = state.ending ?? fault;
      const wait = LIMITS.backoffTicks[state.attempt];
      if (fatal) return quiet({ status: "failed", fault: cause });
      if (wait === undefined) return quiet({ status: "failed", fault: gaveUp(cause) });
      return quiet({ status: "restarting", attempt: state.attempt + 1, ticksLeft: wait, fault: cause });
    }
    case "stopped":
    case "restarting":
    case "failed":
      return same(state);
    default:
      return assertNever(state);
  }
}

function stop(state: Supervision, startAgain: boolean): Step {
  switch (state.status) {
    case "starting":
    case "ready":
    case "busy":
      return { state: { status: "stopping", startAgain }, effect: "shutdown" };
    case "stopping":
      return quiet({ status: "stopping", startAgain });
    case "stopped":
    case "restarting":
    case "failed":
      return startAgain ? starting(0) : quiet(STOPPED);
    default:
      return assertNever(state);
  }
}

function withActivity(state: Extract<Supervision, { status: "ready" | "busy" }>, activity: Activity): Supervision {
  const { engineVersion, heartbeatSeconds, attempt, silentTicks, ending } = state;
  const alive = { engineVersion, heartbeatSeconds, attempt, silentTicks, ending };
  return activity.kind === "idle" ? { status: "ready", model: activity.model, ...alive } : { status: "busy", doing: activity.doing, jobId: activity.jobId, ...alive };
}

const starting = (attempt: number): Step => ({ state: { status: "starting", attempt, ticks: 0, ending: null }, effect: "spawn" });
const quiet = (state: Supervision): Step => ({ state, effect: "none" });
const same = quiet;

function neverStarted(seconds: number): Fault {
  return { code: "ENGINE_START_TIMEOUT", what: "The engine did not start.", why: `It said nothing for ${seconds} seconds.`, hint: "It is started again. If this repeats, look at the engine's log on the set-up page.", field: null };
}

function fellSilent(state: Extract<Supervision, { status: "ready" | "busy" }>, seconds: number): Fault {
  const doing = state.status === "busy" ? state.doing.text : "waiting for work";
  return {
    code: "ENGINE_SILENT",
    what: "The engine stopped answering.",
    why: `It said nothing for ${seconds} seconds. The last thing it did: ${doing}.`,
    hint: "It was ended and is started again; finished clips are kept.",
    field: null,
  };
}

function gaveUp(cause: Fault): Fault {
  return { ...cause, hint: `It was started ${LIMITS.backoffTicks.length + 1} times in a row without success. ${cause.hint}` };
}
