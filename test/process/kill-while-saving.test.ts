import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { startStudio } from "../support/studio.ts";
import { connectTo } from "../support/studio-client.ts";

const ROUNDS = 20;
/** What the product promises: at most the last second of edits may be lost. */
const MAY_BE_LOST_MILLISECONDS = 1_000;
/** No engine is needed to save, and starting one twenty times would take long. */
const environment = { AVATAR_STUDIO_RUNTIME: "/nowhere" };

test(`the server is killed at ${ROUNDS} random moments while saving: the file is always whole, and at most the last second is lost`, async () => {
  const first = await startStudio({ environment });
  const { dataFolder } = first;
  const maker = await connectTo(first.link);
  const { projectId } = await maker.rpc.projects.create({ name: "Killed", example: null });
  maker.close();
  await first.kill();
  const folder = join(dataFolder, "projects", "Killed");
  let round = 0;
  try {
    for (; round < ROUNDS; round += 1) {
      const studio = await startStudio({ dataFolder, environment });
      const client = await connectTo(studio.link);
      const opened = await client.rpc.projects.open({ kind: "id", projectId });
      expect(opened.notices).toEqual([]);
      const accepted: { readonly revision: number; readonly at: number }[] = [{ revision: opened.revision, at: Number.NEGATIVE_INFINITY }];
      let killed = false;
      const saving = (async () => {
        for (let { revision } = opened; ; ) {
          // Large enough that a write takes a while.
          const document = { ...opened.document, filler: `${revision}`.repeat(50_000) };
          ({ revision } = await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "w", document }));
          accepted.push({ revision, at: performance.now() });
        }
      })().catch((error: unknown) => {
        if (!killed) throw error;
      });
      await Promise.race([saving, delay(Math.random() * 1_500)]);
      killed = true;
      const at = performance.now();
      await studio.kill();
      client.close();
      await saving;
      const file = JSON.parse(readFileSync(join(folder, "project.avatar"), "utf8")) as { readonly revision: number; readonly filler?: string };
      const mustBeThere = accepted.filter((save) => save.at < at - MAY_BE_LOST_MILLISECONDS).at(-1)?.revision ?? opened.revision;
      expect(file.revision).toBeGreaterThanOrEqual(mustBeThere);
      if (file.filler !== undefined) expect(file.filler).toBe(`${file.revision - 1}`.repeat(50_000));
      await studio.clean();
    }
    // What the last kill left is cleared away by the next start.
    const last = await startStudio({ dataFolder, environment });
    const client = await connectTo(last.link);
    await client.rpc.projects.open({ kind: "id", projectId });
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
    client.close();
    await last.stop();
  } finally {
    await first.clean();
  }
  expect(round).toBe(ROUNDS);
});

test("a clean end writes what was saved a moment before", async () => {
  const studio = await startStudio({ environment });
  const client = await connectTo(studio.link);
  const { projectId } = await client.rpc.projects.create({ name: "Quit", example: null });
  const opened = await client.rpc.projects.open({ kind: "id", projectId });
  const { revision } = await client.rpc.projects.save({ projectId, baseRevision: opened.revision, windowId: "w", document: { ...opened.document, name: "Quit at once" } });
  studio.child.kill("SIGTERM");
  await expect.poll(() => studio.child.exitCode, { timeout: 20_000 }).toBe(0);
  expect(JSON.parse(readFileSync(join(opened.folder, "project.avatar"), "utf8"))).toMatchObject({ name: "Quit at once", revision });
  client.close();
  await studio.clean();
});
