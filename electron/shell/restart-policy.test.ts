import { expect, test } from "vitest";
import { decideRestart } from "./restart-policy.ts";

test("the first deaths are answered by a start, each after a longer pause", () => {
  const decisions = [1, 2, 3].map((count) => decideRestart(Array.from({ length: count }, (_, index) => index * 1_000)));
  expect(decisions.map(({ kind }) => kind)).toEqual(["restart", "restart", "restart"]);
  const delays = decisions.map((decision) => (decision.kind === "restart" ? decision.delayMilliseconds : 0));
  expect(delays).toEqual([...delays].sort((one, other) => one - other));
});

test("the fourth within two minutes is the last; deaths far apart are each the first", () => {
  expect(decideRestart([0, 1_000, 2_000, 3_000])).toEqual({ kind: "give-up" });
  expect(decideRestart([0, 200_000, 400_000, 600_000])).toMatchObject({ kind: "restart", attempt: 1 });
});
