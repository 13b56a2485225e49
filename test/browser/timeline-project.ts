import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import type { AudioFile, AudioSegment, ImageFile, ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { framesOfSamples, sampleOfFrame } from "../../electron/contract/time.ts";
import type { StudioClient } from "../support/studio-client.ts";

const SAMPLE_RATE = 16_000;

/** A mono recording of `seconds`: words of a rising tone with pauses between them, so that a waveform shows where it is. */
export function recording(seconds: number): Uint8Array<ArrayBuffer> {
  const samples = Math.round(seconds * SAMPLE_RATE);
  const bytes = Buffer.alloc(44 + samples * 2);
  bytes.write("RIFF", 0, "ascii");
  bytes.writeUInt32LE(36 + samples * 2, 4);
  bytes.write("WAVEfmt ", 8, "ascii");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(SAMPLE_RATE, 24);
  bytes.writeUInt32LE(SAMPLE_RATE * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "ascii");
  bytes.writeUInt32LE(samples * 2, 40);
  const sound = new Int16Array(bytes.buffer, bytes.byteOffset + 44, samples);
  // An hour repeats its first minute: computing it all would take longer than the server keeps an idle connection.
  const computed = Math.min(samples, 60 * SAMPLE_RATE);
  for (let index = 0; index < computed; index += 1) {
    const time = index / SAMPLE_RATE;
    const word = time % 0.6;
    const level = word < 0.45 ? Math.sin((word / 0.45) * Math.PI) * (0.35 + 0.3 * Math.sin(time * 0.7)) : 0;
    sound[index] = Math.round(level * Math.sin(time * 2 * Math.PI * (180 + 40 * Math.sin(time))) * 32_000);
  }
  for (let filled = computed; filled < samples; filled += computed) sound.copyWithin(filled, 0, Math.min(computed, samples - filled));
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export interface Material {
  readonly projectId: string;
  readonly document: ProjectDocument;
  readonly revision: number;
  readonly image: ImageFile;
  readonly audio: AudioFile;
}

/** A new project with one portrait and one recording among its files, and nothing on the timeline. */
export async function projectWithMaterial(client: StudioClient, name: string, seconds: number): Promise<Material> {
  const { projectId } = await client.rpc.projects.create({ name, example: null });
  const bring = async (fileName: string, content: Uint8Array<ArrayBuffer>) => {
    const uploadId = await client.upload(fileName, content);
    return (await client.rpc.media.import({ projectId, source: { kind: "upload", uploadId } })).media;
  };
  const image = await bring("anna.png", new Uint8Array(readFileSync(join(repositoryRoot, "resources", "examples", "anna", "portrait.png"))));
  const audio = await bring("speech.wav", recording(seconds));
  if (image.kind !== "image" || audio.kind !== "audio") throw new Error("The material came back as something else.");
  const { document, revision } = await client.rpc.projects.open({ kind: "id", projectId });
  return { projectId, document, revision, image, audio };
}

/** A piece of the recording, placed on the timeline. */
export function sound(audio: AudioFile, id: string, start: number, duration: number, from = 0): AudioSegment {
  return { id, start, duration, mediaId: audio.id, sourceStart: sampleOfFrame(from, audio.sampleRate), gainDecibels: 0, fadeIn: 0, fadeOut: 0 };
}

export async function save(client: StudioClient, { projectId, revision }: Material, document: ProjectDocument): Promise<void> {
  await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "test", document });
}

/** The document as the server has it. */
export async function documentOf(client: StudioClient, projectId: string): Promise<ProjectDocument> {
  return (await client.rpc.projects.open({ kind: "id", projectId })).document;
}

/**
 * The small timeline that most tests edit. Frames:
 *
 *     portrait  0 ............................ 500
 *     prompt    0 ........ 200 | 200 ......... 500
 *     voice 1   0 .. 100 | 100 .. 200    300 .. 400
 *     voice 2   (empty)
 */
export async function smallProject(client: StudioClient): Promise<Material> {
  const material = await projectWithMaterial(client, "Timeline", 24);
  const { image, audio } = material;
  const document: ProjectDocument = {
    ...material.document,
    media: [image, audio],
    portraits: [{ id: "portrait1", start: 0, duration: 500, mediaId: image.id }],
    prompts: [
      { id: "prompt1", start: 0, duration: 200, text: "A woman in an office, smiling, soft light" },
      { id: "prompt2", start: 200, duration: 300, text: "She looks serious" },
    ],
    audioTracks: [
      { id: "voice1", name: "Voice 1", muted: false, gainDecibels: 0, segments: [sound(audio, "a", 0, 100), sound(audio, "b", 100, 100, 150), sound(audio, "c", 300, 100, 300)] },
      { id: "voice2", name: "Voice 2", muted: false, gainDecibels: 0, segments: [] },
    ],
  };
  await save(client, material, document);
  return { ...material, document };
}

/** One hour: 1,875 clips, 200 prompts, 12 portraits, 400 pieces of sound on two tracks. */
export async function hourProject(client: StudioClient): Promise<Material> {
  const material = await projectWithMaterial(client, "One hour", 3_600);
  const { image, audio } = material;
  const frames = framesOfSamples(audio.samples, audio.sampleRate);
  const prompts = Array.from({ length: 200 }, (_, index) => ({ id: `prompt${String(index)}`, start: index * 450, duration: 450, text: `Scene ${String(index + 1)}: a woman speaks to the camera, warm light, calm mood` }));
  const piece = (index: number) => sound(audio, `sound${String(index)}`, index * 225, 220, index * 225);
  const pieces = Array.from({ length: Math.floor(frames / 225) }, (_, index) => piece(index));
  const document: ProjectDocument = {
    ...material.document,
    media: [image, audio],
    portraits: Array.from({ length: 12 }, (_, index) => ({ id: `portrait${String(index)}`, start: index * 7_500, duration: 7_500, mediaId: image.id })),
    prompts,
    audioTracks: [
      { id: "voice1", name: "Voice 1", muted: false, gainDecibels: 0, segments: pieces.filter((_, index) => index % 2 === 0) },
      { id: "voice2", name: "Voice 2", muted: false, gainDecibels: 0, segments: pieces.filter((_, index) => index % 2 === 1) },
    ],
    markers: Array.from({ length: 40 }, (_, index) => ({ id: `marker${String(index)}`, frame: index * 2_250 + 100, label: `Chapter ${String(index + 1)}` })),
    range: { start: 1_000, end: 80_000 },
  };
  await save(client, material, document);
  return { ...material, document };
}
