import type { TakeOutput } from "../../outputs.schema.ts";
import { FRAMES_PER_SECOND } from "../../time.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import { compileTakes, ingredientsOfTake } from "../takes.ts";
import { deepFreeze, image, recording, sampleDocument } from "./sample-document.ts";

/** The size a timeline is made for: 66 minutes of sound in 1,000 pieces, 200 prompts, 2,063 clips. */
export function hourDocument(): ProjectDocument {
  const frames = 66 * 60 * FRAMES_PER_SECOND;
  const [pieces, prompts] = [1_000, 200];
  const sample = sampleDocument();
  const length = frames / pieces;
  return deepFreeze({
    ...sample,
    media: [image("ana"), recording("hour", (frames * 48_000) / FRAMES_PER_SECOND, 48_000)],
    portraits: [{ id: "p1", start: 0, duration: frames, mediaId: "ana" }],
    prompts: Array.from({ length: prompts }, (_, index) => ({ id: `t${String(index)}`, start: (index * frames) / prompts, duration: frames / prompts, text: `prompt ${String(index)} `.repeat(20) })),
    audioTracks: [
      {
        id: "v1",
        name: "Voice",
        muted: false,
        gainDecibels: 0,
        // One frame shorter than its place: a gap after each.
        segments: Array.from({ length: pieces }, (_, index) => ({ id: `a${String(index)}`, start: index * length, duration: length - 1, mediaId: "hour", sourceStart: index * length * 1_920, gainDecibels: 0, fadeIn: 2, fadeOut: 2 })),
      },
    ],
    markers: [],
  });
}

/** What a finished render of a document leaves, read back from disk: no string is shared with the document. */
export function renderedOutputs(document: ProjectDocument, quality: "preview" | "final"): TakeOutput[] {
  const compilation = compileTakes(document);
  if (!compilation.renderable) return [];
  const outputs = compilation.takes.map((take): TakeOutput => {
    const { take: ingredients, clips } = ingredientsOfTake(document, take, quality);
    const { width, height } = ingredients;
    return { takeId: take.id, quality, ingredients, width, height, clips: clips.map((clip, index) => ({ ingredients: clip, contentHash: `${take.id}-${String(index)}`, frames: clip.frames, bytes: 1 })) };
  });
  return deepFreeze(JSON.parse(JSON.stringify(outputs)) as TakeOutput[]);
}
