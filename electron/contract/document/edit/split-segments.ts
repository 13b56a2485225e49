import { assertNever } from "../../assert-never.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import { endOf } from "../timeline.ts";
import type { EditCommand, EditResult, NewId, SplitTarget } from "./commands.ts";
import { type Lane, lanesOf, type Segment, withSegments } from "./lanes.ts";
import { done, isFrame, refuse } from "./results.ts";
import { select } from "./selection.ts";

/** The left half keeps its id; the right halves are new. Fades stay at the outer edges; a cut within a fade shortens it. */
export function split(document: ProjectDocument, command: Extract<EditCommand, { type: "split" }>, newId: NewId): EditResult {
  const { frame, target } = command;
  if (!isFrame(frame)) return refuse("numberInvalid");
  if (target.kind === "segments") {
    const selection = select(document, target.ids);
    if (typeof selection === "string") return refuse(selection);
  }
  const ids = target.kind === "segments" ? new Set(target.ids) : null;
  const created: string[] = [];
  const cut = <S extends Segment>(lane: Lane<S>, wanted: boolean): S[] => {
    const isCut = (segment: S): boolean => segment.start < frame && frame < endOf(segment) && (ids === null || ids.has(segment.id));
    if (!wanted || !lane.segments.some(isCut)) return lane.segments;
    return lane.segments.flatMap((segment) => {
      if (!isCut(segment)) return [segment];
      const id = newId();
      created.push(id);
      return [lane.part(segment, segment.start, frame), { ...lane.part(segment, frame, endOf(segment)), id }];
    });
  };
  const lanes = lanesOf(document);
  const result = withSegments(
    document,
    cut(lanes.portrait, isWanted(target, "portrait", null)),
    cut(lanes.prompt, isWanted(target, "prompt", null)),
    document.audioTracks.map((track, index) => {
      const lane = lanes.audio[index];
      return lane === undefined ? track.segments : cut(lane, isWanted(target, "audio", track.id));
    }),
  );
  return created.length === 0 ? refuse("nothingToSplit") : done(result, created);
}

function isWanted(target: SplitTarget, kind: "portrait" | "prompt" | "audio", trackId: string | null): boolean {
  switch (target.kind) {
    case "all":
    case "segments":
      return true;
    case "tracks":
      return target.tracks.some((track) => track.kind === kind && (track.kind !== "audio" || track.trackId === trackId));
    default:
      return assertNever(target);
  }
}
