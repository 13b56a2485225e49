import { type AudioFile, type ImageFile, type ProjectDocument } from "../../contract/document/project-document.schema.ts";
import { framesOfSamples } from "../../contract/time.ts";

/** A document filled with one portrait, one recording and one prompt, as long as the recording. */
export function filledDocument(empty: ProjectDocument, given: { readonly portrait: ImageFile; readonly voice: AudioFile; readonly prompt: string }, newId: () => string): ProjectDocument {
  const { portrait, voice } = given;
  const span = { start: 0, duration: framesOfSamples(voice.samples, voice.sampleRate) };
  const [track, ...rest] = empty.audioTracks;
  if (track === undefined) throw new Error("A new document has an audio track.");
  const segment = { id: newId(), ...span, mediaId: voice.id, sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 };
  return {
    ...empty,
    media: [portrait, voice],
    portraits: [{ id: newId(), ...span, mediaId: portrait.id }],
    prompts: [{ id: newId(), ...span, text: given.prompt }],
    audioTracks: [{ ...track, segments: [segment] }, ...rest],
  };
}
