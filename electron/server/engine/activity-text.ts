import type { Said } from "../../contract/said.schema.ts";
import { say, saidByEngine } from "../common/say.ts";
import { assertNever } from "../../contract/assert-never.ts";
import type { EngineEvent } from "../../contract/engine-messages.schema.ts";

/** What the engine does now, for people; null for events that do not change it. */
export function activityOf(event: EngineEvent): Said | null {
  switch (event.kind) {
    case "stage":
      return saidByEngine(event);
    case "block":
      // The event tells that a block is done: what runs now is the next one.
      return atBlock(event.block + 1 < event.blocks_per_clip ? { clip: event.clip + 1, block: event.block + 2 } : { clip: event.clip + 2, block: 1 });
    case "picture":
    case "clip":
    case "state":
    case "warning":
    case "done":
      return null;
    default:
      return assertNever(event);
  }
}

function atBlock(place: { readonly clip: number; readonly block: number }): Said {
  return say("CLIP_BLOCK", "Clip {clip}, block {block}", place);
}
