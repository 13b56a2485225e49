import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { framesOfSamples } from "../../electron/contract/time.ts";
import { beginningOf } from "../support/pictures.ts";
import type { StudioClient } from "../support/studio-client.ts";

/** A file of a shipped example. */
export const exampleFile = (name: "anna" | "ben" | "mei", file: "portrait.png" | "voice.wav"): string => join(repositoryRoot, "resources", "examples", name, file);

export const DAYLIGHT = "A woman with short auburn hair in a green shirt. She smiles warmly and speaks happily to the viewer. Natural daylight in front of a plain green wall. Flat cartoon illustration with soft shading.";
export const EVENING = "A woman with short auburn hair in a green shirt. She speaks calmly with a neutral expression. Warm evening light at sunset in a quiet room. Flat cartoon illustration with soft shading.";

export interface SmallVideo {
  readonly projectId: string;
  readonly folder: string;
  readonly document: ProjectDocument;
  /** Length of the video. */
  readonly frames: number;
}

/** Frames of a clip of {@link makeSmallVideo}: two blocks, the least in which a prompt can change inside of a clip. */
export const CLIP = 24;

/**
 * A project as the New video screen makes it, with one portrait, one voice and one prompt, not rendered yet. Its pictures are
 * 192 x 128 and its clips one second long, so that a clip takes about a second on one core.
 */
export async function makeSmallVideo(client: StudioClient, name: string, clips: number): Promise<SmallVideo> {
  const { projectId } = await client.rpc.projects.create({ name, example: null });
  const bring = async (fileName: string, content: Buffer) => {
    const uploadId = await client.upload(fileName, new Uint8Array(content));
    return (await client.rpc.media.import({ projectId, source: { kind: "upload", uploadId } })).media;
  };
  const image = await bring("anna.png", readFileSync(exampleFile("anna", "portrait.png")));
  const audio = await bring("speech.wav", beginningOf(exampleFile("anna", "voice.wav"), (clips * CLIP) / 25));
  if (image.kind !== "image" || audio.kind !== "audio") throw new Error("The material came back as something else.");
  const frames = framesOfSamples(audio.samples, audio.sampleRate);
  const { document: empty, revision, folder } = await client.rpc.projects.open({ kind: "id", projectId });
  const quality = { width: 192, height: 128, sampleSteps: 2 };
  const [track] = empty.audioTracks;
  if (track === undefined) throw new Error("A new project has no voice track.");
  const document: ProjectDocument = {
    ...empty,
    media: [image, audio],
    portraits: [{ id: "portrait1", start: 0, duration: frames, mediaId: image.id }],
    prompts: [{ id: "prompt1", start: 0, duration: frames, text: DAYLIGHT }],
    audioTracks: [{ ...track, segments: [{ id: "voice1", start: 0, duration: frames, mediaId: audio.id, sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 }] }],
    settings: { ...empty.settings, inferFrames: CLIP, baseSeed: 7, preview: quality, final: quality },
  };
  await client.rpc.projects.save({ projectId, baseRevision: revision, windowId: "test", document });
  return { projectId, folder, document, frames };
}
