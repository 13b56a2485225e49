import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getEventMeta } from "@orpc/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import { mediaAddress, mixAddress, peaksAddress, pictureAddress } from "../../electron/contract/addresses.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, faultOfCall, type StudioClient } from "../support/studio-client.ts";

let studio: Studio;
let client: StudioClient;
beforeAll(async () => {
  studio = await startStudio();
  client = await connectTo(studio.link);
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

const portrait = readFileSync(join(repositoryRoot, "resources", "examples", "anna", "portrait.png"));

describe("projects over the real server", () => {
  test("an example becomes a project with its material", async () => {
    const [example] = await client.rpc.projects.examples();
    expect(example?.seconds).toBeGreaterThan(1);
    const { projectId } = await client.rpc.projects.create({ name: null, example: example?.id ?? "" });
    const opened = await client.rpc.projects.open({ kind: "id", projectId });
    expect(opened.document.media.map((media) => media.kind)).toEqual(["image", "audio"]);
    expect(opened.document.prompts[0]?.text).toBe(example?.prompt);
    expect(opened.missingMedia).toEqual([]);
    expect(opened.readOnly).toBe(false);
    const [image] = opened.document.media;
    const response = await client.fetch(`/files/${projectId}/media/${image?.id ?? ""}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(Buffer.from(await response.arrayBuffer()).length).toBe(image?.bytes);
    for (const path of [pictureAddress(projectId, image?.id ?? "", 120), peaksAddress(projectId, opened.document.media[1]?.id ?? "", 4)]) expect((await client.fetch(path)).status).toBe(200);
  });

  test("files and the mix answer ranges as players ask for them", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Ranges", example: "ben" });
    const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
    const voice = document.media[1];
    for (const path of [mediaAddress(projectId, voice?.id ?? ""), mixAddress(projectId, revision)]) {
      const whole = Buffer.from(await (await client.fetch(path)).arrayBuffer());
      expect(whole.subarray(0, 4).toString()).toBe("RIFF");
      const size = whole.length;
      const cases = [["bytes=0-99", 0, 100], ["bytes=100-", 100, size], ["bytes=-64", size - 64, size], [`bytes=${size - 10}-${size + 10}`, size - 10, size], ["bytes=7-7", 7, 8]] as const;
      for (const [range, start, end] of cases) {
        const answer = await client.fetch(path, { headers: { range } });
        expect([answer.status, answer.headers.get("content-range")]).toEqual([206, `bytes ${start}-${end - 1}/${size}`]);
        expect(Buffer.from(await answer.arrayBuffer()).equals(whole.subarray(start, end))).toBe(true);
      }
      const past = await client.fetch(path, { headers: { range: `bytes=${size}-` } });
      expect([past.status, past.headers.get("content-range")]).toEqual([416, `bytes */${size}`]);
      expect((await client.fetch(path, { headers: { range: "lines=1-2" } })).status).toBe(200);
      expect((await client.fetch(path, { headers: { range: "bytes=0-9", "if-range": '"stale"' } })).status).toBe(200);
      const head = await client.fetch(path, { method: "HEAD" });
      expect([head.status, Number(head.headers.get("content-length")), (await head.arrayBuffer()).byteLength]).toEqual([200, size, 0]);
    }
  });

  test("an uploaded picture is imported and described; a text file is refused in words", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Upload / test: 名前", example: null });
    const uploadId = await client.upload("../../me & you.PNG", new Uint8Array(portrait));
    const { media } = await client.rpc.media.import({ projectId, source: { kind: "upload", uploadId } });
    expect(media).toMatchObject({ kind: "image", name: "me & you.PNG", bytes: portrait.length });
    expect(media.path).toMatch(/^media\/me & you-[0-9a-f]{8}\.png$/);
    const bad = await client.upload("words.png", new TextEncoder().encode("no picture"));
    expect((await faultOfCall(client.rpc.media.import({ projectId, source: { kind: "upload", uploadId: bad } }))).what).toContain("words.png");
  });

  test("a save is on disk after flush, and the other window hears of it", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Shared", example: null });
    const first = await client.rpc.projects.open({ kind: "id", projectId });
    const events = await client.rpc.projects.watch({ projectId });
    const { revision } = await client.rpc.projects.save({ projectId, baseRevision: first.revision, windowId: "one", document: { ...first.document, name: "Shared twice", future: { kept: true } } });
    expect(revision).toBe(first.revision + 1);
    const saved = await events.next();
    expect(saved.value).toMatchObject({ kind: "saved", revision, windowId: "one" });
    expect(await client.rpc.projects.flush({ projectId })).toEqual({ revision });
    const file = JSON.parse(readFileSync(join(first.folder, "project.avatar"), "utf8")) as Record<string, unknown>;
    expect(file).toMatchObject({ name: "Shared twice", revision, future: { kept: true } });
    expect((await faultOfCall(client.rpc.projects.save({ projectId, baseRevision: first.revision, windowId: "two", document: first.document }))).code).toBe("PROJECT_CHANGED_ELSEWHERE");
    await events.return();
  });

  test("a page that was cut off goes on after the last event it saw, without a gap and without one twice", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Resumed", example: null });
    const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
    const save = (base: number, name: string) => client.rpc.projects.save({ projectId, baseRevision: base, windowId: "one", document: { ...document, name } });
    const page = await connectTo(await studio.newLink());
    const events = await page.rpc.projects.watch({ projectId });
    await save(revision, "Before");
    const seen = (await events.next()).value;
    const lastEventId = getEventMeta(seen)?.id ?? "";
    expect(lastEventId).not.toBe("");
    page.close();
    await save(revision + 1, "While away");
    const back = await connectTo(await studio.newLink());
    const resumed = await back.rpc.projects.watch({ projectId }, { lastEventId });
    const kinds: string[] = [];
    for await (const event of resumed) {
      kinds.push(event.kind);
      if (event.kind !== "saved") continue;
      expect(event).toMatchObject({ revision: revision + 2, document: { name: "While away" } });
      break;
    }
    expect(kinds.filter((kind) => kind === "saved")).toHaveLength(1);
    back.close();
  });

  test("a file that another program has replaced is not overwritten", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Replaced", example: null });
    const opened = await client.rpc.projects.open({ kind: "id", projectId });
    const path = join(opened.folder, "project.avatar");
    writeFileSync(path, readFileSync(path, "utf8").replace("Replaced", "By somebody else"));
    expect((await faultOfCall(client.rpc.projects.save({ projectId, baseRevision: opened.revision, windowId: "one", document: opened.document }))).code).toBe("PROJECT_CHANGED_ELSEWHERE");
    expect(readFileSync(path, "utf8")).toContain("By somebody else");
  });

  test("rename, duplicate, remove and restore", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Old name", example: "anna" });
    await client.rpc.projects.rename({ projectId, name: "New name" });
    const copy = (await client.rpc.projects.duplicate({ projectId })).projectId;
    const list = await client.rpc.projects.list();
    expect(list.find((one) => one.id === projectId)).toMatchObject({ name: "New name", state: "ok", folder: join(studio.dataFolder, "projects", "New name") });
    expect(list.find((one) => one.id === copy)).toMatchObject({ name: "New name copy", frames: list.find((one) => one.id === projectId)?.frames });
    await client.rpc.projects.remove({ projectId });
    expect((await client.rpc.projects.list()).some((one) => one.id === projectId)).toBe(false);
    await client.rpc.projects.restore({ projectId });
    expect((await client.rpc.projects.open({ kind: "id", projectId })).missingMedia).toEqual([]);
  });
});
