import { applyEdit } from "../edit/apply-edit.ts";
import type { EditCommand, NewId, RefusalReason } from "../edit/commands.ts";
import type { AudioFile, ImageFile, MediaFile, ProjectDocument } from "../project-document.schema.ts";

/** Ids `n1`, `n2`, … */
export function counter(prefix = "n"): NewId {
  let last = 0;
  return () => {
    last += 1;
    return `${prefix}${String(last)}`;
  };
}

const fileOf = (id: string) => ({ id, path: `media/${id}.bin`, name: `${id}.bin`, bytes: 1, sha256: Buffer.from(id.padEnd(32, ".")).toString("hex") });

export function image(id: string): ImageFile {
  return { kind: "image", ...fileOf(id), width: 1024, height: 1024 };
}

export function recording(id: string, samples: number, sampleRate: number): AudioFile {
  return { kind: "audio", ...fileOf(id), samples, sampleRate, channels: 1 };
}

export const MEDIA: readonly MediaFile[] = [
  image("ana"),
  image("ben"),
  recording("talk", 30 * 48_000, 48_000),
  // Ends within its frame 38, and has a rate at which frames begin between samples.
  recording("odd", 33_500, 22_222),
  // Thirty-seven and a half frames.
  recording("short", 24_000, 16_000),
];

/** A document with something of everything. */
export function sampleDocument(): ProjectDocument {
  const sound = { gainDecibels: 0, fadeIn: 0, fadeOut: 0 };
  return deepFreeze({
    format: "avatar-studio-project",
    version: 1,
    id: "project",
    name: "Sample",
    media: [...MEDIA],
    portraits: [
      { id: "p1", start: 0, duration: 200, mediaId: "ana" },
      { id: "p2", start: 200, duration: 100, mediaId: "ben" },
    ],
    prompts: [
      { id: "t1", start: 0, duration: 96, text: "calm" },
      { id: "t2", start: 120, duration: 80, text: "happy" },
    ],
    audioTracks: [
      {
        id: "v1",
        name: "Voice 1",
        muted: false,
        gainDecibels: 0,
        segments: [
          { id: "a1", start: 0, duration: 100, mediaId: "talk", sourceStart: 0, ...sound },
          { id: "a2", start: 100, duration: 50, mediaId: "talk", sourceStart: 480_000, ...sound },
          { id: "a3", start: 200, duration: 100, mediaId: "talk", sourceStart: 960_000, ...sound },
        ],
      },
      { id: "v2", name: "Voice 2", muted: false, gainDecibels: 0, segments: [{ id: "b1", start: 120, duration: 35, mediaId: "short", sourceStart: 1_000, ...sound }] },
    ],
    markers: [
      { id: "m1", frame: 110, label: "first" },
      { id: "m2", frame: 250, label: "second" },
    ],
    range: null,
    settings: { modelId: "demo", baseSeed: 7, inferFrames: 48, preview: { width: 384, height: 256, sampleSteps: 3 }, final: { width: 704, height: 384, sampleSteps: 4 } },
  });
}

/** So that a function that changes what it is given throws. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

/** The document after edits that must be possible. */
export function edited(document: ProjectDocument, ...commands: readonly EditCommand[]): ProjectDocument {
  const taken = JSON.stringify(document);
  const next = counter();
  const newId = (): string => {
    const id = next();
    return taken.includes(`"${id}"`) ? newId() : id;
  };
  return commands.reduce((present, command) => {
    const result = applyEdit(present, command, newId);
    if (result.refused !== null) throw new Error(`${command.type} was refused: ${result.refused}`);
    return deepFreeze(result.document);
  }, document);
}

export function refusalOf(document: ProjectDocument, command: EditCommand): RefusalReason | null {
  return applyEdit(document, command, counter()).refused;
}

/** Tracks as text: `id start-end what`, with the first sample of sound after `@`, gain and fades where there are any. */
export function layout(document: ProjectDocument): { portraits: string; prompts: string; sound: string[] } {
  const where = (segment: { id: string; start: number; duration: number }): string => `${segment.id} ${String(segment.start)}-${String(segment.start + segment.duration)}`;
  return {
    portraits: document.portraits.map((segment) => `${where(segment)} ${segment.mediaId}`).join(", "),
    prompts: document.prompts.map((segment) => `${where(segment)} ${segment.text}`).join(", "),
    sound: document.audioTracks.map((track) =>
      track.segments
        .map((segment) => {
          const fades = segment.fadeIn + segment.fadeOut > 0 ? ` fades ${String(segment.fadeIn)}/${String(segment.fadeOut)}` : "";
          const gain = segment.gainDecibels === 0 ? "" : ` ${String(segment.gainDecibels)} dB`;
          return `${where(segment)} ${segment.mediaId}@${String(segment.sourceStart)}${gain}${fades}`;
        })
        .join(", "),
    ),
  };
}
