import { expect, test } from "vitest";
import { speedAt } from "./edge-scroll.ts";

test("nothing moves in the middle; towards and past an edge it goes faster, up to a limit", () => {
  expect(speedAt(500, 1_000, 36, 20)).toBe(0);
  expect(speedAt(36, 1_000, 36, 20)).toBe(0);
  expect(speedAt(18, 1_000, 36, 20)).toBe(-10);
  expect(speedAt(0, 1_000, 36, 20)).toBe(-20);
  expect(speedAt(-300, 1_000, 36, 20)).toBe(-20);
  expect(speedAt(991, 1_000, 36, 20)).toBe(15);
  expect(speedAt(2_000, 1_000, 36, 20)).toBe(20);
});

test("what is smaller than its zones still has a middle that rests", () => {
  expect(speedAt(20, 40, 18, 8)).toBe(0);
  expect(speedAt(0, 40, 18, 8)).toBeLessThan(0);
  expect(speedAt(40, 40, 18, 8)).toBeGreaterThan(0);
});
