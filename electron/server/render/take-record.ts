import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { qualitySchema, type Quality } from "../../contract/document/project-document.schema.ts";
import { clipIngredientsSchema, takeIngredientsSchema, type ClipIngredients, type RenderedClip, type TakeIngredients, type TakeOutput } from "../../contract/outputs.schema.ts";
import { removeStaleTemporaries, temporaryNameFor, writeFileAtomically } from "../common/atomic-file.ts";
import { systemErrorCode } from "../common/fault-error.ts";
import { CLIP_LIST_FILE, clipFileName, INIT_FILE, takeFolder, takeRecordPath } from "./take-folders.ts";

/**
 * Which ingredients each clip on disk was made from. Two lists are joined by content hash:
 *
 * - the engine's `clips.jsonl`: which clips are finished, written after their files are in place;
 * - our record beside the folder: a head line for the take, then a line for each clip as its `clip` event arrives.
 *
 * So a clip counts only when its file is there with its size, the engine says so, and we know what it was made from. A
 * crash between the two lines hides a finished clip until the next render reports it again as reused; nothing is lost.
 */
const headSchema = z.object({ version: z.literal(1), ingredients: takeIngredientsSchema, width: z.int().min(1), height: z.int().min(1) });
const lineSchema = z.object({ clip: z.int().min(0), contentHash: z.string(), ingredients: clipIngredientsSchema });
const engineLineSchema = z.object({ index: z.int().min(0), frames: z.int().min(1), content_hash: z.string(), bytes: z.int().min(0) });

type Head = z.infer<typeof headSchema>;
type Line = z.infer<typeof lineSchema>;
interface Record {
  readonly head: Head;
  readonly lines: ReadonlyMap<number, Line>;
}

/** The clips of a take that can be shown; null when there are none. Never throws for damaged records. */
export async function readTakeOutput(projectFolder: string, quality: Quality, takeId: string): Promise<TakeOutput | null> {
  const folder = takeFolder(projectFolder, quality, takeId);
  const record = await readRecord(takeRecordPath(projectFolder, quality, takeId));
  if (record === null) return null;
  const found = await finishedClips(folder);
  const clips: RenderedClip[] = [];
  for (const clip of found) {
    const line = record.lines.get(clips.length);
    if (line?.contentHash !== clip.content_hash) break;
    clips.push({ ingredients: line.ingredients, contentHash: clip.content_hash, frames: clip.frames, bytes: clip.bytes });
  }
  const { ingredients, width, height } = record.head;
  return clips.length === 0 ? null : { takeId, quality, ingredients, width, height, clips };
}

/** All takes of a project that have clips. */
export async function readTakeOutputs(projectFolder: string): Promise<TakeOutput[]> {
  const outputs: TakeOutput[] = [];
  for (const quality of qualitySchema.options) {
    for (const takeId of await recordedTakes(projectFolder, quality)) {
      const output = await readTakeOutput(projectFolder, quality, takeId);
      if (output !== null) outputs.push(output);
    }
  }
  return outputs;
}

/** Takes that have a record, with or without clips. */
export async function recordedTakes(projectFolder: string, quality: Quality): Promise<string[]> {
  const names = await readdir(join(projectFolder, "renders", quality)).catch(() => []);
  return names.flatMap((name) => /^([A-Za-z0-9_-]{1,64})\.jsonl$/.exec(name)?.[1] ?? []);
}

/** Takes that have a record or a folder: a crash while one was removed, or before its first clip was recorded, may leave either. */
export async function takesOnDisk(projectFolder: string, quality: Quality): Promise<string[]> {
  const entries = await readdir(join(projectFolder, "renders", quality), { withFileTypes: true }).catch(() => []);
  const folders = entries.flatMap((entry) => (entry.isDirectory() && /^[A-Za-z0-9_-]{1,64}$/.test(entry.name) ? [entry.name] : []));
  return [...new Set([...(await recordedTakes(projectFolder, quality)), ...folders])];
}

/**
 * Delete a take's clips and record. The record goes first: without it the clips count for nothing. Then the folder loses its name at one stroke, so that a render
 * that wants the take just now begins in one of its own; what a crash leaves of the old one goes with the next removal.
 */
export async function removeTake(projectFolder: string, quality: Quality, takeId: string): Promise<void> {
  await rm(takeRecordPath(projectFolder, quality, takeId), { force: true });
  const folder = takeFolder(projectFolder, quality, takeId);
  const aside = temporaryNameFor(folder);
  await rename(folder, aside).catch(ignoreAbsence);
  await rm(aside, { recursive: true, force: true });
  await removeStaleTemporaries(dirname(folder));
}

function ignoreAbsence(error: unknown): void {
  if (systemErrorCode(error) !== "ENOENT") throw error;
}

/** Writes down what the clips of one take are made from, while a render makes them. */
export interface TakeRecorder {
  /** Take note of a finished clip. Resolves when it is on disk. */
  readonly add: (clip: number, contentHash: string, ingredients: ClipIngredients) => Promise<void>;
}

/**
 * Go on with a take's record, or begin anew when the take itself changed. The old lines stay as long as they can be
 * true: which clips remain is decided by their hashes.
 */
export async function openTakeRecorder(projectFolder: string, quality: Quality, takeId: string, ingredients: TakeIngredients, size: { readonly width: number; readonly height: number }): Promise<TakeRecorder> {
  const path = takeRecordPath(projectFolder, quality, takeId);
  const head: Head = { version: 1, ingredients, ...size };
  const before = await readRecord(path);
  const lines = new Map(before !== null && isDeepStrictEqual(before.head, head) ? before.lines : []);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, [head, ...lines.values()].map(toLine).join(""));
  return {
    add: async (clip, contentHash, clipIngredients) => {
      const line: Line = { clip, contentHash, ingredients: clipIngredients };
      if (isDeepStrictEqual(lines.get(clip), line)) return;
      lines.set(clip, line);
      await appendDurably(path, toLine(line));
    },
  };
}

const toLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

async function appendDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "a");
  try {
    await file.appendFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The newest line of each clip; null without a readable head. A line that a crash cut off is passed over. */
async function readRecord(path: string): Promise<Record | null> {
  const [first, ...rest] = await readLines(path);
  const head = headSchema.safeParse(parse(first));
  if (!head.success) return null;
  const lines = new Map<number, Line>();
  for (const text of rest) {
    const line = lineSchema.safeParse(parse(text));
    if (line.success) lines.set(line.data.clip, line.data);
  }
  return { head: head.data, lines };
}

/** Clips 0, 1, … that the engine recorded and whose files are whole. */
async function finishedClips(folder: string): Promise<z.infer<typeof engineLineSchema>[]> {
  const lines = await readLines(join(folder, CLIP_LIST_FILE));
  const hasInit = await sizeOf(join(folder, INIT_FILE));
  if (hasInit === null) return [];
  const recorded = lines.map((line) => engineLineSchema.safeParse(parse(line)).data);
  const sizes = await Promise.all(recorded.map(async (_, index) => sizeOf(join(folder, clipFileName(index)))));
  const clips = [];
  for (const [index, clip] of recorded.entries()) {
    if (clip?.index !== index || sizes[index] !== clip.bytes) break;
    clips.push(clip);
  }
  return clips;
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (systemErrorCode(error) === null) throw error;
    return [];
  }
}

function parse(line: string | undefined): unknown {
  try {
    return line === undefined ? undefined : JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    (facts) => facts.size,
    () => null,
  );
}
