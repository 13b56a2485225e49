import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PEAKS_DRAFT_TYPE } from "../../../../../electron/contract/peaks.ts";
import { PeaksCache } from "./peaks-cache.ts";

interface Request {
  readonly level: number;
  readonly signal: AbortSignal;
  readonly answer: (response: Response) => void;
}

let requests: Request[] = [];
beforeEach(() => {
  requests = [];
  vi.stubGlobal("fetch", (address: string, { signal }: { signal: AbortSignal }) =>
    new Promise<Response>((answer, fail) => {
      signal.addEventListener("abort", () => fail(new DOMException("", "AbortError")));
      requests.push({ level: Number(address.split("/").at(-1)), signal, answer });
    }),
  );
});
afterEach(() => vi.unstubAllGlobals());

const peaks = (...values: number[]) => new Response(Int8Array.from(values));
const saved = () => Promise.resolve();

async function open(whenSaved: () => Promise<unknown> = saved) {
  const onLoad = vi.fn();
  const cache = new PeaksCache("p", whenSaved, onLoad);
  cache.best("m", 2);
  if (whenSaved === saved) await vi.waitFor(() => expect(requests).toHaveLength(2));
  return { cache, onLoad };
}

describe("peaks", () => {
  test("the overview is asked for with the wanted level, and stands in for it", async () => {
    const { cache, onLoad } = await open();
    expect(requests.map(({ level }) => level)).toEqual([4, 2]);
    requests[0]?.answer(peaks(-1, 1));
    await vi.waitFor(() => expect(onLoad).toHaveBeenCalledTimes(1));
    expect(cache.best("m", 2)).toMatchObject({ level: 4 });
    requests[1]?.answer(peaks(-2, 2));
    await vi.waitFor(() => expect(onLoad).toHaveBeenCalledTimes(2));
    expect(cache.best("m", 2)).toMatchObject({ level: 2 });
    expect(requests).toHaveLength(2);
  });

  test("a draft is shown and asked for again until it is exact", async () => {
    const { cache, onLoad } = await open();
    requests[0]?.answer(new Response(Int8Array.from([-1, 1]), { headers: { "content-type": PEAKS_DRAFT_TYPE } }));
    await vi.waitFor(() => expect(requests).toHaveLength(3));
    expect(cache.best("m", 4)?.pairs[1]).toBe(1);
    requests[2]?.answer(peaks(-9, 9));
    await vi.waitFor(() => expect(onLoad).toHaveBeenCalledTimes(2));
    expect(cache.best("m", 4)?.pairs[1]).toBe(9);
    expect(requests).toHaveLength(3);
  });

  test("nothing is asked before the server knows the file", async () => {
    let know = (): void => undefined;
    await open(() => new Promise<void>((resolve) => (know = resolve)));
    expect(requests).toHaveLength(0);
    know();
    await vi.waitFor(() => expect(requests.length).toBeGreaterThan(0));
  });

  test("a failure is told, and a found file is asked for anew", async () => {
    const { cache, onLoad } = await open();
    for (const request of requests) request.answer(new Response(null, { status: 404 }));
    await vi.waitFor(() => expect(onLoad).toHaveBeenCalledTimes(2));
    expect(cache.hasFailed("m")).toBe(true);
    cache.best("m", 2);
    expect(requests).toHaveLength(2);
    cache.forget("m");
    cache.best("m", 2);
    await vi.waitFor(() => expect(requests).toHaveLength(4));
    expect(cache.hasFailed("m")).toBe(false);
  });

  test("what is forgotten while it loads is aborted and does not come back", async () => {
    const { cache, onLoad } = await open();
    cache.forget("m");
    expect(requests.every(({ signal }) => signal.aborted)).toBe(true);
    expect(onLoad).not.toHaveBeenCalled();
  });
});
