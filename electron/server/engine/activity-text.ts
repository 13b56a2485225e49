import { assertNever } from "../../contract/assert-never.ts";
import type { EngineEvent } from "../../contract/engine-messages.schema.ts";

/** What the engine does now, for people; null for events that do not change it. */
export function activityText(event: EngineEvent): string | null {
  switch (event.kind) {
    case "stage":
      return event.text;
    case "block":
      // The event tells that a block is done: what runs now is the next one.
      return event.block + 1 < event.blocks_per_clip ? `Clip ${event.clip + 1}, block ${event.block + 2}` : `Clip ${event.clip + 2}, block 1`;
    case "clip":
    case "state":
    case "warning":
    case "done":
      return null;
    default:
      return assertNever(event);
  }
}
