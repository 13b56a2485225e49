import { assertNever } from "../../assert-never.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import type { EditCommand, EditResult } from "./commands.ts";
import { closeTime, editLanes, type Lane, type Segment, spanOf } from "./lanes.ts";
import { done, refuse } from "./results.ts";
import { closeSilentTime } from "./ripple.ts";
import { select } from "./selection.ts";

export function deleteSegments(document: ProjectDocument, command: Extract<EditCommand, { type: "deleteSegments" }>): EditResult {
  const selection = select(document, command.ids);
  if (typeof selection === "string") return refuse(selection);
  const remaining = <S extends Segment>(lane: Lane<S>): S[] => {
    const rest = lane.segments.filter((segment) => !selection.ids.has(segment.id));
    return rest.length === lane.segments.length ? lane.segments : rest;
  };
  switch (command.ripple) {
    case "none":
      return done(editLanes(document, remaining));
    case "track":
      return done(
        editLanes(document, (lane) => {
          const gaps = lane.segments.filter((segment) => selection.ids.has(segment.id)).map(spanOf);
          return closeTime({ ...lane, segments: remaining(lane) }, gaps);
        }),
      );
    case "all":
      return done(closeSilentTime(editLanes(document, remaining), selection.spans));
    default:
      return assertNever(command.ripple);
  }
}
