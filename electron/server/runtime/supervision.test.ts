import { expect, test } from "vitest";
import { say } from "../common/say.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import { isSilent, LIMITS, silentSeconds, step, STOPPED, type Effect, type Supervision, type SupervisionEvent } from "./supervision.ts";
import { workerStateOf } from "./worker-state.ts";

const crash: Fault = { code: "ENGINE_ENDED", what: "It ended.", why: "Because.", hint: "Wait.", field: null };
const hello: SupervisionEvent = { kind: "hello", engineVersion: "1", heartbeatSeconds: 2 };
const tick: SupervisionEvent = { kind: "tick" };
const exited: SupervisionEvent = { kind: "exited", fault: crash, fatal: false };
const heartbeat: SupervisionEvent = { kind: "heard", proven: true };

function play(events: readonly SupervisionEvent[], from: Supervision = STOPPED): { state: Supervision; effects: Effect[] } {
  const effects: Effect[] = [];
  let state = from;
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    if (next.effect !== "none") effects.push(next.effect);
  }
  return { state, effects };
}
const times = (count: number, event: SupervisionEvent): SupervisionEvent[] => Array.from({ length: count }, () => event);
const running = play([{ kind: "start" }, hello]).state;

test("start spawns, hello makes it ready, work makes it busy", () => {
  const { state, effects } = play([{ kind: "start" }, hello, { kind: "activity", activity: { kind: "busy", doing: say("CLIP", "Clip {clip}", { clip: 1 }), jobId: "j" } }]);
  expect(effects).toEqual(["spawn"]);
  expect(workerStateOf(state)).toEqual({ status: "busy", doing: { code: "CLIP", values: { clip: 1 }, text: "Clip 1" }, jobId: "j" });
  expect(workerStateOf(step(state, { kind: "activity", activity: { kind: "idle", model: "demo" } }).state)).toEqual({ status: "ready", model: "demo", engineVersion: "1" });
});

test("each crash waits longer, and after the last wait it has failed with the cause", () => {
  let state = running;
  for (const [attempt, wait] of LIMITS.backoffTicks.entries()) {
    state = step(state, exited).state;
    expect(state).toMatchObject({ status: "restarting", attempt: attempt + 1, ticksLeft: wait, fault: crash });
    const waited = play(times(wait, tick), state);
    expect(waited.effects).toEqual(["spawn"]);
    state = waited.state;
    expect(state.status).toBe("starting");
  }
  const failed = step(state, exited).state;
  expect(failed).toMatchObject({ status: "failed", fault: { code: "ENGINE_ENDED", why: "Because." } });
  expect(play([{ kind: "start" }], failed).effects).toEqual(["spawn"]);
});

test("a worker that has shown that it works begins with a clean slate", () => {
  const second = play([exited, ...times(LIMITS.backoffTicks[0], tick), hello], running).state;
  expect(second).toMatchObject({ attempt: 1 });
  expect(step(second, { kind: "heard", proven: false }).state).toMatchObject({ attempt: 1 });
  expect(step(second, heartbeat).state).toMatchObject({ attempt: 0 });
});

test("silence is named, then the worker is ended once, and the reason is told", () => {
  const busy = step(running, { kind: "activity", activity: { kind: "busy", doing: say("CLIP", "Clip {clip}", { clip: 7 }), jobId: "j" } }).state;
  const quiet = play(times(2 * LIMITS.heartbeatsUntilNamed, tick), busy).state;
  expect(isSilent(quiet)).toBe(true);
  expect(silentSeconds(quiet)).toBe(10);
  expect(workerStateOf(quiet)).toMatchObject({ status: "busy", doing: { text: "No sign of life for 10 seconds. Last: Clip 7", values: { seconds: 10 } } });
  expect(isSilent(step(quiet, heartbeat).state)).toBe(false);
  const long = play(times(2 * LIMITS.heartbeatsUntilEnded + 50, tick), busy);
  expect(long.effects).toEqual(["kill"]);
  expect(step(long.state, exited).state).toMatchObject({ status: "restarting", fault: { code: "ENGINE_SILENT", why: expect.stringContaining("Clip 7") as string } });
});

test("a worker that never says hello is ended", () => {
  const { state, effects } = play([{ kind: "start" }, ...times(LIMITS.startTicks + 5, tick)]);
  expect(effects).toEqual(["spawn", "kill"]);
  expect(step(state, exited).state).toMatchObject({ status: "restarting", fault: { code: "ENGINE_START_TIMEOUT" } });
});

test("stopping ends in stopped, restarting in a new start, whatever came between", () => {
  const stop = play([{ kind: "stop", startAgain: false }, tick, hello, exited], running);
  expect(stop).toMatchObject({ state: STOPPED, effects: ["shutdown"] });
  expect(play([{ kind: "stop", startAgain: true }, exited], running)).toMatchObject({ state: { status: "starting", attempt: 0 }, effects: ["shutdown", "spawn"] });
  // Closing the program while a restart is under way.
  expect(play([{ kind: "stop", startAgain: true }, { kind: "stop", startAgain: false }, exited], running).state).toEqual(STOPPED);
  expect(play([{ kind: "stop", startAgain: false }], step(running, exited).state).state).toEqual(STOPPED);
});

test("an engine that cannot work here fails at once, and its end changes nothing", () => {
  const unusable = { ...crash, code: "ENGINE_NOT_USABLE" };
  const { state } = play([{ kind: "start" }, { kind: "unusable", fault: unusable }, exited]);
  expect(state).toEqual({ status: "failed", fault: unusable });
  expect(play([{ kind: "start" }, { kind: "exited", fault: crash, fatal: true }]).state).toEqual({ status: "failed", fault: crash });
});

test("events that do not fit change nothing", () => {
  for (const event of [hello, tick, heartbeat, exited, { kind: "activity", activity: { kind: "idle", model: null } }, { kind: "unusable", fault: crash }] as const) {
    expect(step(STOPPED, event)).toEqual({ state: STOPPED, effect: "none" });
  }
  expect(step(running, { kind: "start" })).toEqual({ state: running, effect: "none" });
});
