import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Job, JobState } from "../../electron/contract/jobs.schema.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { decodedFrames } from "./support/decoded-frames.ts";

const dataFolder = mkdtempSync(join(tmpdir(), "avatar-studio-kill-"));
const started: Studio[] = [];
afterAll(async () => {
  for (const studio of started) await studio.clean();
  rmSync(dataFolder, { recursive: true, force: true });
});

async function start(): Promise<[Studio, StudioClient]> {
  const studio = await startStudio({ dataFolder });
  started.push(studio);
  return [studio, await connectTo(studio.link)];
}

async function until(client: StudioClient, jobId: string, enough: (state: JobState) => boolean): Promise<Job> {
  for await (const jobs of await client.rpc.jobs.watch()) {
    const job = jobs.find((one) => one.id === jobId);
    if (job !== undefined && enough(job.state)) return job;
    if (job?.state.status === "failed") throw new Error(JSON.stringify(job.state));
  }
  throw new Error("The server closed the stream.");
}

test("a server killed while it renders leaves no process, and the next one goes on behind the finished clips", async () => {
  const [first, client] = await start();
  const { projectId } = await client.rpc.projects.create({ name: "Killed", example: "anna" });
  const { document, revision, folder } = await client.rpc.projects.open({ kind: "id", projectId });
  const quality = { width: 64, height: 64, sampleSteps: 4 };
  const saved = { ...document, settings: { ...document.settings, inferFrames: 12, baseSeed: 3, preview: quality, final: quality } };
  await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "w", document: saved });
  await client.rpc.projects.flush({ projectId });
  const { jobId } = await client.rpc.jobs.render({ projectId, quality: "final", scope: { kind: "all" } });
  await until(client, jobId, (state) => state.status === "running" && state.clipsDone >= 3);
  expect(first.family().some(({ command }) => command.includes("live_avatar.worker"))).toBe(true);
  await first.kill();

  const [second, again] = await start();
  await until(again, jobId, (state) => state.status === "running");
  const done = await until(again, jobId, (state) => state.status === "finished");
  expect(done.state).toMatchObject({ clipsDone: 13, clipsTotal: 13 });
  expect(done.state.clipsReused).toBeGreaterThanOrEqual(3);
  // The worker of the killed server is gone: by itself, or ended by the next server.
  expect(first.family()).toEqual([]);

  const quiet = await again.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "all" } });
  await until(again, quiet.jobId, (state) => state.status === "finished");
  const [take] = (await again.rpc.projects.open({ kind: "id", projectId })).outputs;
  const folderOf = (of: string): string => join(folder, "renders", of, take?.takeId ?? "");
  expect(decodedFrames(folderOf("final"))).toEqual(decodedFrames(folderOf("preview")));
  again.close();
  client.close();
  await second.stop();
});

test("a clean end while a job runs leaves no process and the job to the next start", async () => {
  const [studio, client] = await start();
  const [project] = await client.rpc.projects.list();
  const projectId = project?.id ?? "";
  const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
  await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "w", document: { ...document, settings: { ...document.settings, baseSeed: 4 } } });
  const { jobId } = await client.rpc.jobs.render({ projectId, quality: "final", scope: { kind: "all" } });
  await until(client, jobId, (state) => state.status === "running" && state.clipsDone >= 1);
  client.close();
  // Fails when a process is left.
  await studio.stop();
  const [next, again] = await start();
  expect((await until(again, jobId, (state) => state.status === "finished")).state.clipsReused).toBeGreaterThanOrEqual(1);
  again.close();
  await next.stop();
});
