import { expect, test } from "vitest";
import { bytesText } from "./byte-size.ts";

test("bytes are said in units of a thousand, with a decimal where it tells something", () => {
  const cases: readonly (readonly [number, string])[] = [
    [-1, "0 B"],
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1 kB"],
    [999_999, "1 MB"],
    [3_140_000, "3.1 MB"],
    [24e9, "24 GB"],
    [25_769_803_776, "25.8 GB"],
    [99_960_000, "100 MB"],
    [999_960_000_000, "1 TB"],
    [3e15, "3000 TB"],
  ];
  for (const [bytes, text] of cases) expect(bytesText(bytes), String(bytes)).toBe(text);
});
