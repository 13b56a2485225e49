import { LIMITS } from "../limits.ts";
import type { AudioSegment, MediaFile, PortraitSegment, ProjectDocument, PromptSegment } from "../project-document.schema.ts";
import { endOf, findMedia, framesFrom } from "../timeline.ts";
import { assertNever } from "../../assert-never.ts";
import { copySelection } from "./clipboard.ts";
import type { Clipboard, ClipboardItem, EditCommand, EditResult, NewId, RefusalReason, Ripple, SegmentContent } from "./commands.ts";
import { type Lane, lanesOf, overwrite, type Segment, withSegments } from "./lanes.ts";
import { done, isFrame, isGain, isWhole, refuse } from "./results.ts";
import { openTimeEverywhere, openTimeOn, type TrackChoice } from "./ripple.ts";
import { extentOf, select } from "./selection.ts";

type Command<Type extends EditCommand["type"]> = Extract<EditCommand, { type: Type }>;

export function addSegment(document: ProjectDocument, command: Command<"addSegment">, newId: NewId): EditResult {
  const { start, content, ripple } = command;
  const item = itemOf(document, content);
  if (typeof item === "string") return refuse(item);
  const trackId = content.kind === "audio" ? content.trackId : null;
  return place(document, [item], item.duration, start, trackId, ripple, newId);
}

export function paste(document: ProjectDocument, command: Command<"paste">, newId: NewId): EditResult {
  const { clipboard, start, trackId, ripple } = command;
  if (clipboard.items.length === 0) return refuse("nothingSelected");
  const known = withMedia(document, clipboard, newId);
  if (typeof known === "string") return refuse(known);
  const items = clipboard.items.map((item) => (item.kind === "prompt" ? item : { ...item, mediaId: known.ids.get(item.mediaId) ?? item.mediaId }));
  return place(known.document, items, clipboard.frames, start, trackId, ripple, newId);
}

export function duplicateSegments(document: ProjectDocument, command: Command<"duplicateSegments">, newId: NewId): EditResult {
  const selection = select(document, command.ids);
  if (typeof selection === "string") return refuse(selection);
  const clipboard = copySelection(document, selection);
  const trackId = document.audioTracks[selection.audio.findIndex((segments) => segments.length > 0)]?.id ?? null;
  return place(document, clipboard.items, clipboard.frames, extentOf(selection).end, trackId, command.ripple, newId);
}

export function moveSegments(document: ProjectDocument, command: Command<"moveSegments">, newId: NewId): EditResult {
  const { ids, byFrames, byTracks } = command;
  if (!isWhole(byFrames, -LIMITS.frame, LIMITS.frame) || !isWhole(byTracks, -LIMITS.audioTracks, LIMITS.audioTracks)) return refuse("numberInvalid");
  const selection = select(document, ids);
  if (typeof selection === "string") return refuse(selection);
  const outside = selection.audio.some((segments, index) => segments.length > 0 && document.audioTracks[index + byTracks] === undefined);
  if (outside) return refuse("trackMissing");

  const by = Math.max(byFrames, -extentOf(selection).start);
  const staysOnTracks = byTracks === 0 || selection.audio.every((segments) => segments.length === 0);
  if (by === 0 && staysOnTracks) return done(document);
  const moved = <S extends Segment>(segments: readonly S[]): S[] => segments.map((segment) => (by === 0 ? segment : { ...segment, start: segment.start + by }));
  const land = <S extends Segment>(lane: Lane<S>, incoming: S[]): S[] => {
    const rest = lane.segments.filter((segment) => !selection.ids.has(segment.id));
    return rest.length === lane.segments.length && incoming.length === 0 ? lane.segments : overwrite({ ...lane, segments: rest }, incoming, newId);
  };
  const lanes = lanesOf(document);
  return done(
    withSegments(
      document,
      land(lanes.portrait, moved(selection.portraits)),
      land(lanes.prompt, moved(selection.prompts)),
      lanes.audio.map((lane, index) => land(lane, moved(selection.audio[index - byTracks] ?? []))),
    ),
  );
}

/** Puts items on the timeline: makes room for them if asked to, and overwrites what is still in their way. */
function place(document: ProjectDocument, items: readonly ClipboardItem[], frames: number, start: number, trackId: string | null, ripple: Ripple, newId: NewId): EditResult {
  if (!isFrame(start) || !isFrame(start + frames)) return refuse("numberInvalid");
  const topTrack = trackId === null ? 0 : document.audioTracks.findIndex((track) => track.id === trackId);
  const portraits: PortraitSegment[] = [];
  const prompts: PromptSegment[] = [];
  const audio = new Map<number, AudioSegment[]>();
  const created: string[] = [];
  const files = new Map(document.media.map((media) => [media.id, media]));
  for (const item of items) {
    const reason = whyInvalid(item, files);
    if (reason !== null) return refuse(reason);
    const id = newId();
    created.push(id);
    const where = { id, start: start + item.offset, duration: item.duration };
    switch (item.kind) {
      case "portrait":
        portraits.push({ ...where, mediaId: item.mediaId });
        break;
      case "prompt":
        prompts.push({ ...where, text: item.text });
        break;
      case "audio": {
        const index = topTrack + item.trackOffset;
        if (topTrack < 0 || document.audioTracks[index] === undefined) return refuse("trackMissing");
        const { mediaId, sourceStart, gainDecibels, fadeIn, fadeOut } = item;
        const segments = audio.get(index) ?? [];
        segments.push({ ...where, mediaId, sourceStart, gainDecibels, fadeIn, fadeOut });
        audio.set(index, segments);
        break;
      }
      default:
        assertNever(item);
    }
  }
  if (![portraits, prompts, ...audio.values()].every(areApart)) return refuse("numberInvalid");
  const touched: TrackChoice = { portrait: portraits.length > 0, prompt: prompts.length > 0, audio: (index) => audio.has(index) };
  const opened = withRoom(document, start, frames, ripple, touched, newId);
  const lanes = lanesOf(opened);
  return done(
    withSegments(
      opened,
      overwrite(lanes.portrait, portraits, newId),
      overwrite(lanes.prompt, prompts, newId),
      lanes.audio.map((lane, index) => overwrite(lane, audio.get(index) ?? [], newId)),
    ),
    created,
  );
}

function withRoom(document: ProjectDocument, at: number, frames: number, ripple: Ripple, touched: TrackChoice, newId: NewId): ProjectDocument {
  switch (ripple) {
    case "none":
      return document;
    case "track":
      return openTimeOn(document, at, frames, touched, newId);
    case "all":
      return openTimeEverywhere(document, at, frames, touched, newId);
    default:
      return assertNever(ripple);
  }
}

function itemOf(document: ProjectDocument, content: SegmentContent): ClipboardItem | RefusalReason {
  switch (content.kind) {
    case "portrait":
      return { kind: "portrait", offset: 0, duration: content.duration, mediaId: content.mediaId };
    case "prompt":
      return { kind: "prompt", offset: 0, duration: content.duration, text: content.text };
    case "audio": {
      const { mediaId, sourceStart } = content;
      const media = findMedia(document, mediaId);
      if (media === null) return "mediaMissing";
      if (media.kind !== "audio") return "mediaWrongKind";
      const duration = content.duration ?? Math.max(1, framesFrom(media, sourceStart));
      return { kind: "audio", trackOffset: 0, offset: 0, duration, mediaId, sourceStart, gainDecibels: 0, fadeIn: 0, fadeOut: 0 };
    }
    default:
      return assertNever(content);
  }
}

/** Sorted, and none overlaps the next. */
function areApart(segments: readonly Segment[]): boolean {
  return segments.every((segment, index) => {
    const before = segments[index - 1];
    return before === undefined || endOf(before) <= segment.start;
  });
}

function whyInvalid(item: ClipboardItem, files: ReadonlyMap<string, MediaFile>): RefusalReason | null {
  if (!isFrame(item.offset) || !isWhole(item.duration, 1, LIMITS.frame)) return "numberInvalid";
  if (item.kind === "prompt") return item.text.length > LIMITS.promptCharacters ? "textTooLong" : null;
  const media = files.get(item.mediaId);
  if (media === undefined) return "mediaMissing";
  if (item.kind === "portrait") return media.kind === "image" ? null : "mediaWrongKind";
  if (media.kind !== "audio") return "mediaWrongKind";
  if (!isWhole(item.sourceStart, 0, Number.MAX_SAFE_INTEGER) || !isGain(item.gainDecibels)) return "numberInvalid";
  if (!isFrame(item.fadeIn) || !isFrame(item.fadeOut) || item.fadeIn + item.fadeOut > item.duration) return "numberInvalid";
  return item.duration > framesFrom(media, item.sourceStart) ? "outsideRecording" : null;
}

/** The document with the clipboard's files on its list, and under which ids: a file that is there already is used as it is. */
function withMedia(document: ProjectDocument, clipboard: Clipboard, newId: NewId): { document: ProjectDocument; ids: ReadonlyMap<string, string> } | RefusalReason {
  const ids = new Map<string, string>();
  const added: MediaFile[] = [];
  for (const media of clipboard.media) {
    const same = document.media.find((other) => other.kind === media.kind && other.sha256 === media.sha256);
    if (same === undefined) {
      if (document.media.some((other) => other.path === media.path)) return "mediaConflict";
      const id = document.media.some((other) => other.id === media.id) ? newId() : media.id;
      added.push({ ...media, id });
      ids.set(media.id, id);
    } else ids.set(media.id, same.id);
  }
  return { document: added.length === 0 ? document : { ...document, media: [...document.media, ...added] }, ids };
}
