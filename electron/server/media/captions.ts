import type { Marker } from "../../contract/document/project-document.schema.ts";
import { FRAMES_PER_SECOND } from "../../contract/time.ts";
import type { FrameRange } from "./export-pictures.ts";

/**
 * SubRip captions: each marker's label is shown from its frame to the next marker or the end. Markers without words end the caption before
 * them. Times count from the range's start. Empty when no marker of the range has words.
 */
export function captionsOf(markers: readonly Marker[], range: FrameRange): string {
  const ordered = [...markers].sort((one, other) => one.frame - other.frame);
  const captions = ordered.flatMap((marker, index) => {
    const start = Math.max(range.start, marker.frame);
    const end = Math.min(range.end, ordered[index + 1]?.frame ?? range.end);
    // A blank line would end the caption.
    const text = marker.label.split(/\r\n|[\r\n\u2028\u2029]/).map((line) => line.trim()).filter((line) => line !== "").join("\n");
    return text === "" || end <= start ? [] : [`${time(start - range.start)} --> ${time(end - range.start)}\n${text}\n`];
  });
  return captions.map((caption, index) => `${String(index + 1)}\n${caption}`).join("\n");
}

function time(frame: number): string {
  const milliseconds = (frame * 1000) / FRAMES_PER_SECOND;
  const part = (unit: number, modulus: number, digits: number): string => String(Math.floor(milliseconds / unit) % modulus).padStart(digits, "0");
  return `${String(Math.floor(milliseconds / 3_600_000)).padStart(2, "0")}:${part(60_000, 60, 2)}:${part(1_000, 60, 2)},${part(1, 1000, 3)}`;
}
