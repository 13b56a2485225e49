import { expect, it } from "vitest";
import type { Job, JobState } from "../../../../electron/contract/jobs.schema.ts";
import { inReadingOrder, optionsOf, shareOf } from "./job-facts.ts";

const progress = { clipsDone: 3, clipsTotal: 10, clipsReused: 0 };
const running: JobState = { status: "running", ...progress, startedAt: 0, doing: "Clip 4", takeId: null, clip: 3, clipShare: 0.5, framesPerSecond: 8, secondsLeft: 20, memoryBytes: null, silentSeconds: 0 };
const finished = (endedAt: number): JobState => ({ status: "finished", ...progress, clipsDone: 10, endedAt, seconds: 5, framesPerSecond: 8, bytes: 1 });
const job = (id: string, state: JobState, kind: "render" | "export" = "render"): Job => ({
  id,
  projectId: "p",
  projectName: "P",
  createdAt: 0,
  revision: 1,
  work: kind === "render" ? { kind, quality: "preview", scope: { kind: "all" } } : { kind, quality: "final", request: { format: "mp4", range: null }, fileName: "a.mp4" },
  warnings: [],
  state,
});

it("counts the clip under way", () => {
  expect(shareOf(running)).toBeCloseTo(0.35);
  expect(shareOf({ status: "queued", clipsDone: 0, clipsTotal: 0, clipsReused: 0, resumes: false })).toBe(0);
  expect(shareOf(finished(1))).toBe(1);
});

it("shows what works first, what waits in its order, and what ended newest first", () => {
  const queued: JobState = { status: "queued", ...progress, resumes: false };
  const list = [job("done-early", finished(1)), job("waits", queued), job("works", running), job("waits-too", queued), job("done-late", finished(2))];
  const { open, ended } = inReadingOrder(list);
  expect(open.map(({ id }) => id)).toEqual(["works", "waits", "waits-too"]);
  expect(ended.map(({ id }) => id)).toEqual(["done-late", "done-early"]);
});

it("offers only what a job in that state can do", () => {
  const offered = (one: Job) => Object.entries(optionsOf(one)).filter(([, can]) => can).map(([name]) => name);
  expect(offered(job("a", running))).toEqual(["pause", "cancel"]);
  expect(offered(job("a", running, "export"))).toEqual(["cancel"]);
  expect(offered(job("a", { status: "stopping", ...progress, then: "paused" }))).toEqual([]);
  expect(offered(job("a", finished(1)))).toEqual(["forget", "play"]);
  expect(offered(job("a", finished(1), "export"))).toEqual(["forget", "result"]);
});
