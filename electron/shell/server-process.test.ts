import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MessageToServer } from "../contract/shell-messages.schema.ts";
import type { ServerState } from "../contract/shell.ts";
import type { ServerChildListeners } from "./server-child.ts";
import { createServerProcess } from "./server-process.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A supervisor whose servers are played by the test. */
function supervised() {
  const launched: { args: readonly string[]; listeners: ServerChildListeners; sent: MessageToServer[]; killed: boolean }[] = [];
  const states: ServerState[] = [];
  const restarts: string[] = [];
  const server = createServerProcess({
    launch: (args, listeners) => {
      const child = { args, listeners, sent: [] as MessageToServer[], killed: false };
      launched.push(child);
      return {
        send: (message) => child.sent.push(message),
        kill: () => {
          child.killed = true;
          listeners.onExit();
        },
      };
    },
    now: () => Date.now(),
    onState: (state) => states.push(state),
    onRestarted: (url) => restarts.push(url),
  });
  const last = () => launched[launched.length - 1]!;
  const ready = (port = 5000): void => last().listeners.onLine(JSON.stringify({ ready: true, url: `http://127.0.0.1:${String(port)}/?token=t` }));
  return { server, launched, states, restarts, last, ready };
}

async function running() {
  const all = supervised();
  const start = all.server.start();
  all.ready();
  expect(await start).toEqual({ kind: "ready", url: "http://127.0.0.1:5000/?token=t" });
  return all;
}

test("other lines before the ready line are passed over", async () => {
  const { server, last, ready } = supervised();
  const start = server.start();
  for (const line of ["", "hello", "{", '{"ready":"yes"}', "null"]) last().listeners.onLine(line);
  ready();
  expect(await start).toMatchObject({ kind: "ready" });
});

test("the server's own fault, an early end and silence each end the start with words", async () => {
  const fault = { code: "DATA_FOLDER_IN_USE", what: "w", why: "y", hint: "h", field: null };
  const one = supervised();
  const refused = one.server.start();
  one.last().listeners.onLine(JSON.stringify({ error: fault }));
  expect(await refused).toEqual({ kind: "failed", fault });

  const two = supervised();
  const early = two.server.start();
  two.last().listeners.onExit();
  expect(await early).toMatchObject({ kind: "failed", fault: { code: "SERVER_ENDED_EARLY" } });

  const three = supervised();
  const silent = three.server.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await silent).toMatchObject({ kind: "failed", fault: { code: "SERVER_START_SLOW" } });
  expect(three.last().killed).toBe(true);
});

test("answers find their questions, also out of order", async () => {
  const { server, last } = await running();
  const first = server.ask({ kind: "busy" });
  const second = server.ask({ kind: "register-path", path: "/x", access: "read" });
  const [one, two] = last().sent.map((message) => ("requestId" in message ? message.requestId : 0));
  last().listeners.onMessage({ kind: "path-registered", requestId: two, handle: "h" });
  last().listeners.onMessage({ kind: "nonsense", requestId: one });
  last().listeners.onMessage({ kind: "busy", requestId: one, runningJobs: 3 });
  expect(await first).toMatchObject({ runningJobs: 3 });
  expect(await second).toMatchObject({ handle: "h" });
});

test("a question that is never answered, or whose server dies, is rejected", async () => {
  const { server, last } = await running();
  const late = expect(server.ask({ kind: "busy" })).rejects.toThrow("does not answer");
  await vi.advanceTimersByTimeAsync(5_000);
  await late;
  const orphaned = expect(server.ask({ kind: "busy" })).rejects.toThrow("has ended");
  last().listeners.onExit();
  await orphaned;
});

test("a server that died is started again on its port, and the page is told", async () => {
  const { launched, states, restarts, last, ready } = await running();
  last().listeners.onExit();
  expect(states).toEqual([{ kind: "restarting", attempt: 1 }]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(launched).toHaveLength(2);
  expect(last().args.join(" ")).toContain("--server-port 5000");
  ready();
  await vi.advanceTimersByTimeAsync(0);
  expect(states).toEqual([{ kind: "restarting", attempt: 1 }, { kind: "running" }]);
  expect(restarts).toEqual(["http://127.0.0.1:5000/?token=t"]);
});

test("stopping waits for the end, and ends a server that does not; it is not started again", async () => {
  const polite = await running();
  const stopped = polite.server.stop();
  expect(polite.last().sent).toContainEqual({ kind: "shutdown" });
  polite.last().listeners.onExit();
  await stopped;
  expect(polite.states).toEqual([]);

  const stubborn = await running();
  const killed = stubborn.server.stop();
  await vi.advanceTimersByTimeAsync(12_000);
  await killed;
  expect(stubborn.last().killed).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(stubborn.launched).toHaveLength(1);
  await stubborn.server.stop();
});
