import type { Lack } from "../../contract/document/takes.ts";
import type { RenderScope } from "../../contract/jobs.schema.ts";
import { FaultError } from "../common/fault-error.ts";

const WORDS: Readonly<Record<Lack, { readonly code: string; readonly what: string; readonly hint: string }>> = {
  portrait: { code: "NO_PORTRAIT", what: "There is no portrait on the timeline.", hint: "Put a picture on the portrait track." },
  prompt: { code: "NO_PROMPT", what: "There is no prompt on the timeline.", hint: "Describe who is seen, what they do, the light and the style." },
  audio: { code: "NO_AUDIO", what: "There is no voice on the timeline.", hint: "Put a recording on a voice track: it decides how long the video is." },
};

/** Why nothing can be rendered; the first lack gives the code and the field. */
export function notRenderable(lacks: readonly Lack[]): FaultError {
  const [first = "audio", ...others] = lacks;
  const words = WORDS[first];
  return new FaultError({ code: words.code, what: words.what, why: others.length === 0 ? "A video needs a portrait, a voice and a prompt." : `A video needs a portrait, a voice and a prompt. Also missing: ${others.join(", ")}.`, hint: words.hint, field: first });
}

/** Why a render that was asked for would do nothing. */
export function nothingToDo(scope: RenderScope): FaultError {
  if (scope.kind === "range") return new FaultError({ code: "RANGE_EMPTY", what: "There is nothing in the range to render.", why: "It lies behind the end of the timeline.", hint: "Move the in and out points, or render everything.", field: "range" });
  return new FaultError({ code: "ALREADY_FRESH", what: "There is nothing to render.", why: "Every clip is what the timeline says.", hint: "Change something first, or render in the other quality." });
}

export function mediaGone(name: string, field: string): FaultError {
  return new FaultError({ code: "MEDIA_MISSING", what: `The file "${name}" is missing.`, why: "It belongs to the project, but is no longer in its folder.", hint: "Use \"Locate missing file\", or take it off the timeline.", field });
}
