import type { ProjectDocument } from "../project-document.schema.ts";
import type { Clipboard, ClipboardItem } from "./commands.ts";
import { extentOf, select, type Selection } from "./selection.ts";

/** The chosen segments, to be pasted later; null when nothing is chosen or one is not there. */
export function copySegments(document: ProjectDocument, ids: readonly string[]): Clipboard | null {
  const selection = select(document, ids);
  return typeof selection === "string" ? null : copySelection(document, selection);
}

export function copySelection(document: ProjectDocument, selection: Selection): Clipboard {
  const { start, end } = extentOf(selection);
  const topTrack = Math.max(
    0,
    selection.audio.findIndex((segments) => segments.length > 0),
  );
  const items: ClipboardItem[] = [
    ...selection.portraits.map((segment) => ({ kind: "portrait" as const, offset: segment.start - start, duration: segment.duration, mediaId: segment.mediaId })),
    ...selection.prompts.map((segment) => ({ kind: "prompt" as const, offset: segment.start - start, duration: segment.duration, text: segment.text })),
    ...selection.audio.flatMap((segments, index) =>
      segments.map(({ start: at, duration, mediaId, sourceStart, gainDecibels, fadeIn, fadeOut }) => ({
        kind: "audio" as const,
        trackOffset: index - topTrack,
        offset: at - start,
        duration,
        mediaId,
        sourceStart,
        gainDecibels,
        fadeIn,
        fadeOut,
      })),
    ),
  ];
  const used = new Set(items.flatMap((item) => (item.kind === "prompt" ? [] : [item.mediaId])));
  return { format: "avatar-studio-segments", version: 1, frames: end - start, items, media: document.media.filter((media) => used.has(media.id)) };
}
