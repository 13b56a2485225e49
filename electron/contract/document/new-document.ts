import { DEFAULT_SETTINGS } from "./presets.ts";
import type { ProjectDocument } from "./project-document.schema.ts";

/** An empty project with one audio track. Ids, names in the user's language and the seed come from the caller. */
export function newDocument(given: { readonly id: string; readonly name: string; readonly audioTrackId: string; readonly audioTrackName: string; readonly baseSeed: number }): ProjectDocument {
  return {
    format: "avatar-studio-project",
    version: 1,
    id: given.id,
    name: given.name,
    media: [],
    portraits: [],
    prompts: [],
    audioTracks: [{ id: given.audioTrackId, name: given.audioTrackName, muted: false, gainDecibels: 0, segments: [] }],
    markers: [],
    range: null,
    settings: { ...DEFAULT_SETTINGS, baseSeed: given.baseSeed },
  };
}
