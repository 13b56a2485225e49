import { assertNever } from "../../assert-never.ts";
import { LIMITS } from "../limits.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import { endOf } from "../timeline.ts";
import type { EditCommand, EditResult, NewId, RefusalReason, TrimMode } from "./commands.ts";
import { editLanes, firstOnLanes, type Lane, type LaneEdit, type Segment, type Span } from "./lanes.ts";
import { clamp, done, isWhole, refuse } from "./results.ts";
import { closeSilentTime, openTimeEverywhere } from "./ripple.ts";

type Trim = Extract<EditCommand, { type: "trimSegment" }>;

/** What a trim comes to, whichever track the segment lies on. */
type Plan = {
  /** Where the edge goes; what the neighbours and the recording do not allow is not in it. */
  readonly from: number;
  readonly to: number;
  /** Frames that the segment becomes longer; negative when it becomes shorter. */
  readonly growth: number;
};

export function trimSegment(document: ProjectDocument, command: Trim, newId: NewId): EditResult {
  if (!isWhole(command.toFrame, -LIMITS.frame, LIMITS.frame)) return refuse("numberInvalid");
  const plan = planOf(document, command);
  if (typeof plan === "string") return refuse(plan);
  if (plan.growth === 0) return done(document);
  return done(carryOut(document, command, plan, newId));
}

function planOf(document: ProjectDocument, command: Trim): Plan | RefusalReason {
  const plan = firstOnLanes(document, (lane) => {
    const index = lane.segments.findIndex((segment) => segment.id === command.id);
    const segment = lane.segments[index];
    return segment === undefined ? null : planOn(lane, segment, lane.segments[index + (command.edge === "end" ? 1 : -1)], command);
  });
  return plan ?? "segmentMissing";
}

function planOn<S extends Segment>(lane: Lane<S>, segment: S, neighbour: S | undefined, { edge, toFrame, mode }: Trim): Plan | RefusalReason {
  const end = endOf(segment);
  const touches = neighbour !== undefined && (edge === "end" ? neighbour.start === end : endOf(neighbour) === segment.start);
  if (mode === "roll" && !touches) return "neighbourMissing";
  let [low, high] = edge === "end" ? [segment.start + 1, segment.start + lane.longest(segment)] : [segment.start - lane.headroom(segment), end - 1];
  if (edge === "start" && !isRipple(mode)) low = Math.max(low, 0);
  if (neighbour !== undefined && mode === "stop") {
    if (edge === "end") high = Math.min(high, neighbour.start);
    else low = Math.max(low, endOf(neighbour));
  }
  if (neighbour !== undefined && mode === "roll") {
    if (edge === "end") {
      low = Math.max(low, neighbour.start - lane.headroom(neighbour));
      high = Math.min(high, endOf(neighbour) - 1);
    } else {
      low = Math.max(low, neighbour.start + 1);
      high = Math.min(high, neighbour.start + lane.longest(neighbour));
    }
  }
  const from = edge === "end" ? end : segment.start;
  const to = clamp(toFrame, low, high);
  return { from, to, growth: edge === "end" ? to - from : from - to };
}

function carryOut(document: ProjectDocument, command: Trim, plan: Plan, newId: NewId): ProjectDocument {
  const { id, edge, mode } = command;
  const { from, to, growth } = plan;
  const resized = (shift: number): LaneEdit => (lane) => replace(lane, id, (segment) => {
    const trimmed = edge === "end" ? lane.resize(segment, segment.start, to) : lane.resize(segment, to, endOf(segment));
    return shift === 0 ? trimmed : { ...trimmed, start: trimmed.start + shift };
  });
  // A trimmed start stays where it was when later segments close up: only what is seen there changes.
  const shift = edge === "start" ? growth : 0;
  switch (mode) {
    case "stop":
      return editLanes(document, resized(0));
    case "roll":
      return editLanes(document, (lane) => rolled(lane, command, from, to));
    case "rippleTrack":
      return editLanes(document, (lane) => {
        const trimmed = resized(shift)(lane);
        if (trimmed === lane.segments) return trimmed;
        const at = trimmed.findIndex((segment) => segment.id === id);
        return trimmed.map((segment, index) => (index > at ? { ...segment, start: segment.start + growth } : segment));
      });
    case "rippleAll": {
      if (growth < 0) return closeSilentTime(editLanes(document, resized(0)), [edge === "end" ? spanBetween(to, from) : spanBetween(from, to)]);
      const opened = openTimeEverywhere(document, from, growth, { portrait: false, prompt: false, audio: () => true }, newId);
      if (edge === "end") return editLanes(opened, resized(0));
      // Making room has moved the segment itself: its new start is where the old one was.
      return editLanes(opened, (lane) => replace(lane, id, (segment) => lane.resize(segment, segment.start - growth, endOf(segment))));
    }
    default:
      return assertNever(mode);
  }
}

function rolled<S extends Segment>(lane: Lane<S>, { id, edge }: Trim, from: number, to: number): S[] {
  const index = lane.segments.findIndex((segment) => segment.id === id);
  if (index < 0) return lane.segments;
  const cut = edge === "end" ? index : index - 1;
  return lane.segments.map((segment, at) => {
    if (at === cut) return lane.resize(segment, segment.start, to);
    if (at === cut + 1) return lane.resize(segment, to, endOf(segment));
    return segment;
  });
}

function replace<S extends Segment>(lane: Lane<S>, id: string, change: (segment: S) => S): S[] {
  if (!lane.segments.some((segment) => segment.id === id)) return lane.segments;
  return lane.segments.map((segment) => (segment.id === id ? change(segment) : segment));
}

function isRipple(mode: TrimMode): boolean {
  return mode === "rippleTrack" || mode === "rippleAll";
}

function spanBetween(start: number, end: number): Span {
  return { start, end };
}
