import type { MediaFile, ProjectDocument } from "../../../../../electron/contract/document/project-document.schema.ts";
import { framesOfSamples } from "../../../../../electron/contract/time.ts";
import { MEDIA_DRAG_TYPE, PROMPT_DRAG_TYPE } from "../../../editor/drag-media.ts";
import { roomFrom } from "../commands/adding.ts";
import type { Row } from "../geometry/rows.ts";

/** What is dragged over the timeline, as far as it is known before it is let go. */
export type Dragged =
  | { readonly kind: "media"; readonly media: MediaFile }
  | { readonly kind: "prompt" }
  /** Files from outside: the browser tells their types, and nothing else, until they are dropped. */
  | { readonly kind: "files"; readonly types: readonly string[] };

/** Null for what does not belong on a timeline. `mediaId` is that of the asset whose drag began in this page. */
export function draggedOf(transfer: Pick<DataTransfer, "types" | "items">, document: ProjectDocument, mediaId: string | null): Dragged | null {
  const { types } = transfer;
  if (types.includes(MEDIA_DRAG_TYPE)) {
    const media = document.media.find((one) => one.id === mediaId);
    return media === undefined ? null : { kind: "media", media };
  }
  if (types.includes(PROMPT_DRAG_TYPE)) return { kind: "prompt" };
  return types.includes("Files") ? { kind: "files", types: [...transfer.items].map((item) => item.type) } : null;
}

/** The row that it goes to: a recording may choose among the voice tracks, all else has one row. Null when there is none for it. */
export function rowFor(dragged: Dragged, rows: readonly Row[], under: Row | null): Row | null {
  const kind = kindOf(dragged, under);
  if (kind === null) return null;
  if (kind === "audio" && under?.track.kind === "audio") return under;
  return rows.find((row) => row.track.kind === kind) ?? null;
}

function kindOf(dragged: Dragged, under: Row | null): "portrait" | "prompt" | "audio" | null {
  switch (dragged.kind) {
    case "prompt":
      return "prompt";
    case "media":
      return dragged.media.kind === "image" ? "portrait" : dragged.media.kind === "audio" ? "audio" : null;
    case "files": {
      const [first = ""] = dragged.types;
      if (first.startsWith("image/")) return "portrait";
      // Some systems do not know the type of a recording.
      return under?.track.kind === "portrait" && first === "" ? "portrait" : "audio";
    }
  }
}

/** Frames that it will take from `start` on; null when that is not known yet. */
export function lengthOf(dragged: Dragged, document: ProjectDocument, start: number): number | null {
  switch (dragged.kind) {
    case "prompt":
      return roomFrom(document, document.prompts, start);
    case "media":
      if (dragged.media.kind === "image") return roomFrom(document, document.portraits, start);
      return dragged.media.kind === "audio" ? framesOfSamples(dragged.media.samples, dragged.media.sampleRate) : null;
    case "files":
      return null;
  }
}
