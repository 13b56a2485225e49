import { expect, test } from "vitest";
import { createEventHub, createLatestValue } from "./event-hub.ts";

test("a listener gets the value now, then the newest, never one that was replaced before it looked", async () => {
  const value = createLatestValue(1);
  const stream = value.stream();
  expect((await stream.next()).value).toBe(1);
  value.set(2);
  value.set(3);
  expect((await stream.next()).value).toBe(3);
  const waiting = stream.next();
  value.set(4);
  expect((await waiting).value).toBe(4);
  await stream.return();
  expect(value.listeners()).toBe(0);
});

test("an abort ends a waiting stream, also one that was aborted before", async () => {
  const value = createLatestValue("x");
  const abort = new AbortController();
  const stream = value.stream(abort.signal);
  await stream.next();
  const waiting = stream.next();
  abort.abort();
  expect((await waiting).done).toBe(true);
  expect((await value.stream(abort.signal).next()).done).toBe(true);
  expect(value.listeners()).toBe(0);
});

test("closing ends all streams; the count of listeners is told", async () => {
  const counts: number[] = [];
  const value = createLatestValue(0, (count) => counts.push(count));
  const [one, other] = [value.stream(), value.stream()];
  await one.next();
  await other.next();
  const waiting = [one.next(), other.next()];
  value.close();
  expect((await Promise.all(waiting)).map((result) => result.done)).toEqual([true, true]);
  expect(counts).toEqual([1, 2, 1, 0]);
});

type Event = { readonly key: string; readonly value: number };
const hubOf = () => createEventHub<Event>((event) => event.key);

test("events come in order; of one key a slow listener gets the newest only", async () => {
  const hub = hubOf();
  const stream = hub.stream();
  for (let value = 0; value < 100_000; value += 1) hub.emit({ key: value % 2 === 0 ? "even" : "odd", value });
  expect((await stream.next()).value).toMatchObject({ event: { key: "even", value: 99_998 } });
  expect((await stream.next()).value).toMatchObject({ event: { key: "odd", value: 99_999 } });
  const waiting = stream.next();
  hub.emit({ key: "odd", value: -1 });
  expect((await waiting).value).toMatchObject({ event: { value: -1 } });
});

test("after the last id that was seen nothing is missing and nothing comes twice; ids of another run start anew", async () => {
  const hub = hubOf();
  const stream = hub.stream();
  for (const key of ["a", "b", "c"]) hub.emit({ key, value: 1 });
  const first = await stream.next();
  const second = await stream.next();
  await stream.return();
  const id = second.done === true ? "" : second.value.id;
  hub.emit({ key: "a", value: 2 });
  const resumed = hub.stream({ lastEventId: id });
  expect([(await resumed.next()).value, (await resumed.next()).value]).toMatchObject([{ event: { key: "c", value: 1 } }, { event: { key: "a", value: 2 } }]);
  for (const strange of ["other:2", `${id}x`, "", "__proto__"]) expect((await hub.stream({ lastEventId: strange }).next()).value).toMatchObject({ event: { key: "b" } });
  expect(first.value).toMatchObject({ event: { key: "a" } });
  hub.forget("b");
  expect((await hub.stream().next()).value).toMatchObject({ event: { key: "c" } });
});
