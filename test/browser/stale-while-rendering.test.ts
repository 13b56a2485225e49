import { expect } from "vitest";
import { CLIPS, test, untilJob } from "./rendered-studio.ts";
import { CLIP, EVENING } from "./small-video.ts";
import { clipStates, FRESH, untilClips } from "./studio-page.ts";

const OTHER_PROMPT = /^out of date\. Out of date because of: another prompt/;

test("a clip edited after its render has begun does not wait for it, and says why it is out of date when the render has made it as it was", async ({ openCopy, rendered: { client } }) => {
  const { page, projectId, document } = await openCopy();
  await untilClips(page, Array.from({ length: CLIPS }, () => FRESH));
  const save = async (prompts: readonly { readonly start: number; readonly text: string }[]) => {
    const { revision } = await client.rpc.projects.open({ kind: "id", projectId });
    const segments = prompts.map(({ start, text }, index) => ({ id: `prompt${String(index)}`, start, duration: (prompts[index + 1]?.start ?? CLIPS * CLIP) - start, text }));
    await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "test", document: { ...(await document()), prompts: segments } });
  };
  await save([{ start: 0, text: EVENING }]);
  await untilClips(page, Array.from({ length: CLIPS }, () => OTHER_PROMPT));

  const { jobId } = await client.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "stale" } });
  await untilJob(client, jobId, "running", (state) => state.status === "running" && state.clip === 0);
  await expect.poll(async () => (await clipStates(page)).at(-1)).toBe("queued");
  const last = (CLIPS - 1) * CLIP;
  await save([{ start: 0, text: EVENING }, { start: last, text: "He looks up at the stars" }]);

  // The render has put aside what was there of the take; the others still wait for it.
  await expect.poll(async () => (await clipStates(page)).at(-1), { timeout: 5_000, interval: 50 }).toBe("not rendered");
  expect((await clipStates(page))[CLIPS - 2]).toBe("queued");
  await untilJob(client, jobId, "finished");
  await untilClips(page, [...Array.from({ length: CLIPS - 1 }, () => FRESH), OTHER_PROMPT]);
});
