import { expect, it } from "vitest";
import type { LoadSample } from "../../../../electron/contract/jobs.schema.ts";
import { seriesOf, withSample } from "./load-history.ts";

const sample = (at: number, uuids: readonly string[] = []): LoadSample => ({ at, framesPerSecond: null, gpus: uuids.map((uuid) => ({ uuid, utilisation: at / 100, memoryUsedBytes: at, temperature: null })), memoryUsedBytes: 1, diskFreeBytes: 2 });

it("keeps time going forward, and not for ever", () => {
  const history = [1, 2, 2, 1, 3].map((at) => sample(at)).reduce(withSample, []);
  expect(history.map(({ at }) => at)).toEqual([1, 2, 3]);
  const long = Array.from({ length: 1000 }, (_, at) => sample(at)).reduce<readonly LoadSample[]>(withSample, []);
  expect([long.length, long[0]?.at]).toEqual([900, 100]);
});

it("leaves gaps where a card was not there", () => {
  const series = seriesOf([sample(1000, ["a"]), sample(2000, ["a", "b"]), sample(3000, ["b"])]);
  expect(series.times).toEqual([1, 2, 3]);
  expect(series.gpus.map(({ uuid, memoryUsedBytes }) => [uuid, memoryUsedBytes])).toEqual([
    ["a", [1000, 2000, null]],
    ["b", [null, 2000, 3000]],
  ]);
});
