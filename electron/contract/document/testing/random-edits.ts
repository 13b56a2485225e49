import fc from "fast-check";
import { applyEdit } from "../edit/apply-edit.ts";
import { copySegments } from "../edit/clipboard.ts";
import type { EditCommand, NewId, Ripple, SegmentContent, SplitTarget, TrimMode } from "../edit/commands.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import { counter, deepFreeze, image, recording, sampleDocument } from "./sample-document.ts";

/** An edit that has yet to meet its document: things are chosen by number, so that most edits find something. */
export type RandomEdit = (document: ProjectDocument) => EditCommand;

/** Short timelines, so that segments meet. */
const frame = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 400 }) }, { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, Number.NaN, 9_999_999, 10_000_001) });
const duration = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 90 }) }, { weight: 1, arbitrary: fc.constantFrom(0, 1.5, 10_000_000) });
const delta = fc.integer({ min: -200, max: 200 });
const which = fc.nat({ max: 1_000 });
const ripple = fc.constantFrom<Ripple>("none", "track", "all");
const gain = fc.constantFrom(-60, -12, -6, 0, 6, 25);
const text = fc.constantFrom("calm", "happy", "sad", "  calm ", "", "calm\nand slow");

const at = <Thing>(things: readonly Thing[], index: number): Thing | undefined => things[index % Math.max(1, things.length)];
const idsOf = (document: ProjectDocument): string[] => [...document.portraits, ...document.prompts, ...document.audioTracks.flatMap((track) => track.segments)].map((segment) => segment.id);
const id = (document: ProjectDocument, index: number): string => at(idsOf(document), index) ?? "none";
const trackId = (document: ProjectDocument, index: number): string => at(document.audioTracks, index)?.id ?? "none";
const mediaId = (document: ProjectDocument, index: number): string => at(document.media, index)?.id ?? "none";
const some = fc.uniqueArray(which, { minLength: 1, maxLength: 6 });
const ids = (document: ProjectDocument, indices: readonly number[]): string[] => [...new Set(indices.map((index) => id(document, index)))];

const addSegment = fc.record({ start: frame, duration, ripple, kind: fc.constantFrom("portrait", "prompt", "audio", "audio"), a: which, b: which, text, sample: fc.integer({ min: 0, max: 60_000 }) }).map((given): RandomEdit => (document) => {
  const content = ((): SegmentContent => {
    if (given.kind === "prompt") return { kind: "prompt", text: given.text, duration: given.duration };
    const media = at(document.media.filter((one) => (one.kind === "image") === (given.kind === "portrait")), given.a)?.id ?? "none";
    if (given.kind === "portrait") return { kind: "portrait", mediaId: media, duration: given.duration };
    return { kind: "audio", trackId: trackId(document, given.b), mediaId: media, sourceStart: given.sample, duration: given.a % 5 === 0 ? null : given.duration };
  })();
  return { type: "addSegment", start: given.start, ripple: given.ripple, content };
});

const splitTarget = fc.record({ kind: fc.constantFrom("all", "tracks", "segments"), some }).map((given) => (document: ProjectDocument): SplitTarget => {
  if (given.kind === "segments") return { kind: "segments", ids: ids(document, given.some) };
  if (given.kind === "tracks") return { kind: "tracks", tracks: [{ kind: "prompt" }, { kind: "audio", trackId: trackId(document, given.some[0] ?? 0) }] };
  return { kind: "all" };
});

/** Edits that can change what is seen or heard. */
export const timelineEdit: fc.Arbitrary<RandomEdit> = fc.oneof(
  { weight: 4, arbitrary: addSegment },
  { weight: 4, arbitrary: fc.record({ some, byFrames: delta, byTracks: fc.constantFrom(0, 0, 0, -1, 1) }).map((given): RandomEdit => (document) => ({ type: "moveSegments", ids: ids(document, given.some), byFrames: given.byFrames, byTracks: given.byTracks })) },
  {
    weight: 4,
    arbitrary: fc
      .record({ which, edge: fc.constantFrom<"start" | "end">("start", "end"), toFrame: frame, mode: fc.constantFrom<TrimMode>("stop", "roll", "rippleTrack", "rippleAll") })
      .map((given): RandomEdit => (document) => ({ type: "trimSegment", id: id(document, given.which), edge: given.edge, toFrame: given.toFrame, mode: given.mode })),
  },
  { weight: 3, arbitrary: fc.tuple(frame, splitTarget).map(([at, target]): RandomEdit => (document) => ({ type: "split", frame: at, target: target(document) })) },
  { weight: 2, arbitrary: fc.record({ some, ripple }).map((given): RandomEdit => (document) => ({ type: "deleteSegments", ids: ids(document, given.some), ripple: given.ripple })) },
  { weight: 2, arbitrary: fc.record({ some, ripple }).map((given): RandomEdit => (document) => ({ type: "duplicateSegments", ids: ids(document, given.some), ripple: given.ripple })) },
  {
    weight: 2,
    arbitrary: fc.record({ some, start: frame, track: which, ripple }).map((given): RandomEdit => (document) => {
      const clipboard = copySegments(document, ids(document, given.some)) ?? { format: "avatar-studio-segments", version: 1, frames: 0, items: [], media: [] };
      return { type: "paste", clipboard, start: given.start, trackId: given.track % 3 === 0 ? null : trackId(document, given.track), ripple: given.ripple };
    }),
  },
  fc.record({ which, text }).map((given): RandomEdit => (document) => ({ type: "setPromptText", id: at(document.prompts, given.which)?.id ?? "none", text: given.text })),
  fc.record({ which, media: which }).map((given): RandomEdit => (document) => ({ type: "setSegmentMedia", id: id(document, given.which), mediaId: mediaId(document, given.media) })),
  fc.record({ some, gain }).map((given): RandomEdit => (document) => ({ type: "setSegmentGain", ids: ids(document, given.some), gainDecibels: given.gain })),
  fc.record({ which, edge: fc.constantFrom<"in" | "out">("in", "out"), frames: duration }).map((given): RandomEdit => (document) => ({ type: "setFade", id: id(document, given.which), edge: given.edge, frames: given.frames })),
  fc.record({ which, muted: fc.boolean() }).map((given): RandomEdit => (document) => ({ type: "setTrackMuted", trackId: trackId(document, given.which), muted: given.muted })),
  fc.record({ which, gain }).map((given): RandomEdit => (document) => ({ type: "setTrackGain", trackId: trackId(document, given.which), gainDecibels: given.gain })),
  fc.record({ which, index: fc.nat({ max: 3 }) }).map((given): RandomEdit => () => ({ type: "addAudioTrack", trackId: `track${String(given.which % 4)}`, name: "new", index: given.index })),
  which.map((index): RandomEdit => (document) => ({ type: "removeAudioTrack", trackId: trackId(document, index) })),
  fc
    .record({ which, samples: fc.integer({ min: 1, max: 100_000 }), rate: fc.constantFrom(8_000, 22_222, 44_100) })
    .map((given): RandomEdit => (document) => ({ type: "replaceMedia", mediaId: mediaId(document, given.which), media: given.which % 2 === 0 ? recording("other", given.samples, given.rate) : image("other") })),
  fc.record({ inferFrames: fc.constantFrom(12, 36, 48, 50) }).map((given): RandomEdit => () => ({ type: "changeSettings", change: given })),
);

/** Edits that cannot. */
export const silentEdit: fc.Arbitrary<RandomEdit> = fc.oneof(
  fc.record({ frame, label: fc.string({ maxLength: 5 }) }).map((given): RandomEdit => () => ({ type: "addMarker", ...given })),
  fc.record({ which, frame }).map((given): RandomEdit => (document) => ({ type: "moveMarker", id: at(document.markers, given.which)?.id ?? "none", frame: given.frame })),
  which.map((index): RandomEdit => (document) => ({ type: "renameMarker", id: at(document.markers, index)?.id ?? "none", label: "renamed" })),
  which.map((index): RandomEdit => (document) => ({ type: "removeMarkers", ids: [at(document.markers, index)?.id ?? "none"] })),
  fc.record({ start: frame, end: frame }).map((range): RandomEdit => () => ({ type: "setRange", range })),
  fc.constant<RandomEdit>(() => ({ type: "setRange", range: null })),
  fc.string({ maxLength: 5 }).map((name): RandomEdit => () => ({ type: "renameProject", name })),
  fc.record({ which, name: fc.string({ maxLength: 5 }) }).map((given): RandomEdit => (document) => ({ type: "renameMedia", mediaId: mediaId(document, given.which), name: given.name })),
  which.map((index): RandomEdit => (document) => ({ type: "renameAudioTrack", trackId: trackId(document, index), name: "renamed" })),
  fc.constant<RandomEdit>(() => ({ type: "removeUnusedMedia" })),
  which.map((index): RandomEdit => (document) => ({ type: "removeMedia", mediaId: mediaId(document, index) })),
  fc.nat({ max: 3 }).map((index): RandomEdit => () => ({ type: "addMedia", media: image(`extra${String(index)}`) })),
);

export const anyEdit = fc.oneof({ weight: 4, arbitrary: timelineEdit }, { weight: 1, arbitrary: silentEdit });

/** A valid document that random edits have led to. */
export const randomDocument: fc.Arbitrary<ProjectDocument> = fc.array(timelineEdit, { maxLength: 25, size: "max" }).map((edits) => {
  const newId = counter("r");
  return edits.reduce((document, edit) => tryEdit(document, edit, newId), sampleDocument());
});

/** The document after an edit, or as it was when that is refused. */
export function tryEdit(document: ProjectDocument, edit: RandomEdit, newId: NewId): ProjectDocument {
  const result = applyEdit(document, edit(document), newId);
  return result.refused === null ? deepFreeze(result.document) : document;
}
