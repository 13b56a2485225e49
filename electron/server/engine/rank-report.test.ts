import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rankReportSchema } from "../../contract/machine.schema.ts";
import { readEngineLine } from "./engine-line.ts";
import { rankReport } from "./rank-report.ts";

/** What an engine says on a machine with two cards. */
const recorded = readFileSync(new URL("../../../python-runtime/live_avatar/protocol/examples/cards.jsonl", import.meta.url), "utf8");
const heard = recorded.split("\n").filter((line) => line !== "").map((line) => readEngineLine(JSON.stringify((JSON.parse(line) as { message: unknown }).message)));

test("each card's rank is told with its part of the model, its memory and its pace", () => {
  const ranks = heard.flatMap((read) => (read.kind === "message" && read.message.type === "heartbeat" ? (read.message.ranks ?? []) : []));
  const reports = ranks.map((rank) => rankReport(rank, true));
  for (const report of reports) expect(rankReportSchema.parse(report)).toEqual(report);
  expect(reports).toMatchObject([
    { rank: 0, device: "cuda:0", state: "working", layers: { first: 0, count: 20, of: 40 }, steps: { first: 0, count: 4, of: 4 }, memory: { usedBytes: 19.2e9 } },
    { rank: 1, device: "cuda:1", state: "working", layers: { first: 20, count: 20, of: 40 }, memory: { usedBytes: 15e9 } },
  ]);
  expect(reports.map((report) => report.uuid?.slice(0, 4))).toEqual(["GPU-", "GPU-"]);
});

test("a rank without a job waits, one that starts says so, and an older engine tells less", () => {
  const rank = { rank: 1, device: "cpu", phase: "ready", done: 3, memory: null };
  expect(rankReport({ ...rank, frames_per_second: 0 }, true).state).toBe("working");
  expect(rankReport({ ...rank, phase: "loading", frames_per_second: 2 }, true).state).toBe("loading");
  expect(rankReport(rank, false)).toEqual({ rank: 1, device: "cpu", uuid: null, state: "waiting", layers: null, steps: null, framesPerSecond: null, memory: null });
});
