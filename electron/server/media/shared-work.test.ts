import { expect, test } from "vitest";
import { createSharedWork } from "./shared-work.ts";

/** Work that ends when it is told to. */
function handle(): { readonly work: (signal: AbortSignal) => Promise<string>; readonly end: (text: string) => void; readonly started: () => boolean; readonly aborted: () => boolean } {
  let resolve: (text: string) => void = () => undefined;
  let signal: AbortSignal | null = null;
  return {
    work: (given) => {
      signal = given;
      return new Promise((done, fail) => {
        resolve = done;
        given.addEventListener("abort", () => fail(new Error("aborted")));
      });
    },
    end: (text) => resolve(text),
    started: () => signal !== null,
    aborted: () => signal?.aborted === true,
  };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("work with the same key is done once for all", async () => {
  const shared = createSharedWork(2);
  const one = handle();
  const results = [shared.share("a", undefined, one.work), shared.share("a", undefined, () => Promise.reject(new Error("twice")))];
  await settled();
  one.end("done");
  expect(await Promise.all(results)).toEqual(["done", "done"]);
  expect(await shared.share("a", undefined, () => Promise.resolve("anew"))).toBe("anew");
});

test("no more than so many at once, in order", async () => {
  const shared = createSharedWork(2);
  const all = [handle(), handle(), handle()] as const;
  const results = all.map((one, index) => shared.share(String(index), undefined, one.work));
  await settled();
  expect(all.map((one) => one.started())).toEqual([true, true, false]);
  all[0].end("0");
  await settled();
  expect(all[2].started()).toBe(true);
  all[1].end("1");
  all[2].end("2");
  expect(await Promise.all(results)).toEqual(["0", "1", "2"]);
});

test("given up when the last who waits has gone, and not before", async () => {
  const shared = createSharedWork(1);
  const one = handle();
  const [first, second] = [new AbortController(), new AbortController()];
  const results = [shared.share("a", first.signal, one.work), shared.share("a", second.signal, one.work)];
  for (const result of results) result.catch(() => undefined);
  await settled();
  first.abort(new Error("left"));
  await expect(results[0]).rejects.toThrow("left");
  expect(one.aborted()).toBe(false);
  second.abort(new Error("left too"));
  await expect(results[1]).rejects.toThrow("left too");
  expect(one.aborted()).toBe(true);
  // Its place is free, and the same key starts anew.
  expect(await shared.share("a", undefined, () => Promise.resolve("anew"))).toBe("anew");
});

test("what waits for its turn is not started when nobody wants it any more", async () => {
  const shared = createSharedWork(1);
  const [one, two] = [handle(), handle()];
  const first = shared.share("a", undefined, one.work);
  const controller = new AbortController();
  const second = shared.share("b", controller.signal, two.work);
  controller.abort(new Error("left"));
  await expect(second).rejects.toThrow("left");
  one.end("done");
  await first;
  await settled();
  expect(two.started()).toBe(false);
  await shared.close();
});
