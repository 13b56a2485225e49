import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodedFrames } from "./support/decoded-frames.ts";
import { openWorkshop, type Workshop } from "./support/workshop.ts";

const KILLS = 2;
const FRAMES = 144;
let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop({ frames: FRAMES });
  // Clips of one block: many moments between, before and after writes. Both qualities are set alike.
  shop.document = { ...shop.document, settings: { ...shop.document.settings, inferFrames: 12 } };
});
afterAll(async () => shop.close());

const all = { kind: "all" } as const;
const folderOf = (quality: string): string => join(shop.projectFolder, "renders", quality, "take");

test("a worker killed at random moments is replaced, and the pictures are those of a quiet render", async () => {
  await shop.until(await shop.work.jobs.render("project", "preview", all), "finished");
  const jobId = await shop.work.jobs.render("project", "final", all);
  const killed = new Set<number>();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const clip = Math.floor(((kill + Math.random()) * 11) / KILLS);
    await shop.until(jobId, "running", (state) => state.clipsDone >= clip);
    await delay(Math.random() * 200);
    const pid = shop.work.engine.hello.get()?.process.id;
    if (pid === undefined || killed.has(pid)) continue;
    killed.add(pid);
    process.kill(pid, "SIGKILL");
  }
  expect(killed.size).toBeGreaterThan(0);
  await shop.until(jobId, "finished");
  expect(decodedFrames(folderOf("final"))).toEqual(decodedFrames(folderOf("preview")));
  expect((await shop.work.outputsOf(shop.projectFolder)).map((output) => output.clips.length)).toEqual([12, 12]);
});
