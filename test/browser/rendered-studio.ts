import type { Page } from "playwright-core";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import type { Job, JobState } from "../../electron/contract/jobs.schema.ts";
import type { PageOptions } from "../support/browser.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { test as base } from "../support/studio-test.ts";
import { makeSmallVideo, type SmallVideo } from "./small-video.ts";
import { showStudio } from "./studio-page.ts";

/** Clips of the video that the tests of a file share. */
export const CLIPS = 4;

/** A video rendered in preview quality, once for the file. */
export interface Rendered {
  readonly client: StudioClient;
  readonly video: SmallVideo;
}

/** The studio, open on a copy that the test may change. */
export interface OpenCopy {
  readonly page: Page;
  readonly projectId: string;
  /** Folder of the project. */
  readonly folder: string;
  readonly document: () => Promise<ProjectDocument>;
}

/** `test` with one rendered video of {@link CLIPS} clips, and copies of it. */
export const test = base
  .extend("rendered", { scope: "file" }, async ({ studio }, { onCleanup }): Promise<Rendered> => {
    const client = await connectTo(await studio.newLink());
    onCleanup(client.close);
    const video = await makeSmallVideo(client, "Four clips", CLIPS);
    const { jobId } = await client.rpc.jobs.render({ projectId: video.projectId, quality: "preview", scope: { kind: "all" } });
    await untilJob(client, jobId, "finished");
    return { client, video };
  })
  .extend("openCopy", ({ openPage, rendered: { client, video } }) => {
    return async (options: PageOptions = {}): Promise<OpenCopy> => {
      const page = await openPage(options);
      const { projectId } = await client.rpc.projects.duplicate({ projectId: video.projectId });
      const open = () => client.rpc.projects.open({ kind: "id", projectId });
      await showStudio(page, projectId);
      return { page, projectId, folder: (await open()).folder, document: async () => (await open()).document };
    };
  });

/** Follows a job to a state, which it must reach. */
export async function untilJob<Status extends JobState["status"]>(client: StudioClient, jobId: string, status: Status, also: (state: JobState) => boolean = () => true): Promise<Extract<JobState, { status: Status }>> {
  for await (const jobs of await client.rpc.jobs.watch()) {
    const state = jobs.find((job) => job.id === jobId)?.state;
    if (state?.status === status && also(state)) return state as Extract<JobState, { status: Status }>;
    if (state?.status === "failed" || state?.status === "finished") throw new Error(`The job did not become ${status}: ${JSON.stringify(state)}`);
  }
  throw new Error("The server closed the stream.");
}

/** The job of a project that was started last. */
export async function newestJob(client: StudioClient, projectId: string): Promise<Job> {
  for await (const jobs of await client.rpc.jobs.watch()) {
    const [newest] = jobs.filter((job) => job.projectId === projectId).sort((one, other) => other.createdAt - one.createdAt);
    if (newest !== undefined) return newest;
  }
  throw new Error("The project has no job.");
}
