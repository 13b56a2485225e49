import { expect, test } from "vitest";
import { newDocument } from "../../../electron/contract/document/new-document.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import type { Job } from "../../../electron/contract/jobs.schema.ts";
import { type DocumentsOfJobs, followJobDocuments } from "./job-documents.ts";

const document: ProjectDocument = newDocument({ id: "p", name: "Project", audioTrackId: "t", audioTrackName: "", baseSeed: 1 });
const progress = { clipsDone: 0, clipsTotal: 3, clipsReused: 0 };
const running: Job["state"] = { status: "running", ...progress, startedAt: 0, doing: "", takeId: null, clip: null, clipShare: 0, framesPerSecond: null, secondsLeft: null, memoryBytes: null, silentSeconds: 0 };
const waiting = (resumes: boolean): Job["state"] => ({ status: "queued", ...progress, resumes });
const job = (id: string, state: Job["state"]): Job => ({ id, projectId: "p", projectName: "", createdAt: 0, revision: 1, work: { kind: "render", quality: "preview", scope: { kind: "all" } }, warnings: [], state });

function followed(answers: readonly (ProjectDocument | null | "no answer")[]) {
  const asked: string[] = [];
  const told: string[][] = [];
  const answerOf = [...answers];
  const follow = followJobDocuments(
    (jobId) => {
      asked.push(jobId);
      const answer = answerOf.shift() ?? null;
      return answer === "no answer" ? Promise.reject(new Error("gone")) : Promise.resolve(answer);
    },
    (documents: DocumentsOfJobs) => told.push([...documents.keys()]),
  );
  const news = async (...jobs: Job[]): Promise<void> => {
    follow(jobs);
    // The answers are there at once; what waits for them goes on after a few turns.
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { asked, told, news };
}

test("a render is asked for its document once it has begun, and only once", async () => {
  const { asked, told, news } = followed([document]);
  await news(job("a", waiting(false)));
  expect(asked).toEqual([]);
  await news(job("a", running));
  await news(job("a", running));
  await news(job("a", waiting(true)));
  expect(asked).toEqual(["a"]);
  expect(told).toEqual([["a"]]);
});

test("what has ended is forgotten, and so is an answer that comes too late", async () => {
  const { told, news } = followed([document, document]);
  await news(job("a", running));
  await news();
  expect(told).toEqual([["a"], []]);
  const late = followed([document]);
  void late.news(job("a", running));
  await late.news();
  expect(late.told).toEqual([]);
});

test("without an answer it is asked again with the next news", async () => {
  const { asked, told, news } = followed(["no answer", null, document]);
  for (let round = 0; round < 3; round += 1) await news(job("a", running));
  expect(asked).toEqual(["a", "a", "a"]);
  expect(told).toEqual([["a"]]);
});
