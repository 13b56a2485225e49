import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ClipIngredients, TakeIngredients } from "../../contract/outputs.schema.ts";
import { removeUnusedTakes, rendersOnDisk } from "./clean-up.ts";
import { createClipFinder } from "./clip-finder.ts";
import { clipFileName, takeFolder, takeRecordPath } from "./take-folders.ts";
import { openTakeRecorder, readTakeOutput, readTakeOutputs, removeTake } from "./take-record.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "avatar-studio-takes-"));
});
afterEach(() => rmSync(project, { recursive: true }));

const ofTake: TakeIngredients = { portrait: "p", width: 64, height: 64, sampleSteps: 2, inferFrames: 24, baseSeed: 1, model: "demo" };
const ofClip = (text: string): ClipIngredients => ({ prompts: [[2, text]], sound: ["s"], frames: 24 });
const size = { width: 64, height: 64 };

/** What the engine leaves in a take's folder. */
function engineWrote(hashes: readonly string[]): string {
  const folder = takeFolder(project, "preview", "t");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "init.mp4"), "init");
  for (const index of hashes.keys()) writeFileSync(join(folder, clipFileName(index)), `clip ${index}`);
  writeFileSync(join(folder, "clips.jsonl"), hashes.map((content_hash, index) => `${JSON.stringify({ index, frames: 24, content_hash, sha256: "x", bytes: 6 })}\n`).join(""));
  return folder;
}
async function record(hashes: readonly string[], take = ofTake): Promise<void> {
  const recorder = await openTakeRecorder(project, "preview", "t", take, size);
  for (const [clip, hash] of hashes.entries()) await recorder.add(clip, hash, ofClip(hash));
}
const clips = async (): Promise<string[]> => (await readTakeOutput(project, "preview", "t"))?.clips.map((clip) => clip.contentHash) ?? [];

test("a clip counts when the engine has it, its file is whole and we know what it is", async () => {
  const folder = engineWrote(["a", "b", "c"]);
  expect(await clips()).toEqual([]);
  await record(["a", "b", "c"]);
  expect(await readTakeOutput(project, "preview", "t")).toEqual({ takeId: "t", quality: "preview", ingredients: ofTake, ...size, clips: ["a", "b", "c"].map((contentHash) => ({ ingredients: ofClip(contentHash), contentHash, frames: 24, bytes: 6 })) });
  expect(await readTakeOutputs(project)).toHaveLength(1);
  truncateSync(join(folder, clipFileName(2)), 3);
  expect(await clips()).toEqual(["a", "b"]);
  rmSync(join(folder, clipFileName(0)));
  expect(await clips()).toEqual([]);
  rmSync(join(folder, "init.mp4"));
  expect(await readTakeOutputs(project)).toEqual([]);
});

test("what was rendered anew under another hash does not count until it is recorded", async () => {
  engineWrote(["a", "b", "c"]);
  await record(["a", "b", "c"]);
  engineWrote(["a", "x", "y"]);
  expect(await clips()).toEqual(["a"]);
  await record(["a", "x"]);
  expect(await clips()).toEqual(["a", "x"]);
});

test("another take in its place begins a new record; the same one keeps its lines", async () => {
  engineWrote(["a", "b"]);
  await record(["a", "b"]);
  await openTakeRecorder(project, "preview", "t", ofTake, size);
  expect(await clips()).toEqual(["a", "b"]);
  await openTakeRecorder(project, "preview", "t", { ...ofTake, baseSeed: 2 }, size);
  expect(await clips()).toEqual([]);
});

test("damage costs what is damaged, and the next render mends it", async () => {
  engineWrote(["a", "b"]);
  await record(["a", "b"]);
  const path = takeRecordPath(project, "preview", "t");
  appendFileSync(path, '{"clip":1,"contentHa');
  expect(await clips()).toEqual(["a", "b"]);
  await record(["a", "b"]);
  expect(await clips()).toEqual(["a", "b"]);
  for (const text of ["", "null\n", '{"version":2}\n', "\u0000\n", "[]"]) {
    writeFileSync(path, text);
    expect(await clips()).toEqual([]);
  }
  await record(["a", "b"]);
  appendFileSync(join(takeFolder(project, "preview", "t"), "clips.jsonl"), '{"index":7}\nnot json\n');
  expect(await clips()).toEqual(["a", "b"]);
});

test("a removed take leaves nothing", async () => {
  engineWrote(["a"]);
  await record(["a"]);
  await removeTake(project, "preview", "t");
  expect(await readTakeOutputs(project)).toEqual([]);
  expect(readdirSync(join(project, "renders", "preview"))).toEqual([]);
});

test("takes that nothing needs are deleted, also what a crash left of one; others stay", async () => {
  engineWrote(["a", "b"]);
  await record(["a", "b"]);
  // The record of this one went before a crash, and of that one nothing but the folder that lost its name.
  mkdirSync(takeFolder(project, "final", "half"), { recursive: true });
  writeFileSync(join(takeFolder(project, "final", "half"), "clip_00000.m4s"), "123456");
  expect((await rendersOnDisk(project)).map(({ quality, takeId, bytes }) => [quality, takeId, bytes > 6])).toEqual([["preview", "t", true], ["final", "half", false]]);
  expect(await removeUnusedTakes(project, new Set(["t"]))).toMatchObject([{ quality: "final", takeId: "half", bytes: 6 }]);
  expect(await clips()).toEqual(["a", "b"]);
  expect(readdirSync(join(project, "renders", "final"))).toEqual([]);
  expect(await removeUnusedTakes(project, new Set(["t"]))).toEqual([]);
  expect(await removeUnusedTakes(project, new Set())).toHaveLength(1);
  expect(await clips()).toEqual([]);
});

test("clips are found by their content", async () => {
  const folder = engineWrote(["a", "b"]);
  const finder = createClipFinder();
  expect(await finder.find(project, "preview", "t", 1, "b")).toEqual({ initPath: join(folder, "init.mp4"), clipPath: join(folder, clipFileName(1)) });
  engineWrote(["a", "bb"]);
  expect(await finder.find(project, "preview", "t", 1, "b")).toBeNull();
  expect(await finder.find(project, "preview", "t", 1, "bb")).not.toBeNull();
  for (const [clip, hash] of [[2, ""], [-1, "a"], [0.5, "a"], [9, "undefined"]] as const) expect(await finder.find(project, "preview", "t", clip, hash)).toBeNull();
  expect(await finder.find(project, "final", "t", 0, "a")).toBeNull();
});
