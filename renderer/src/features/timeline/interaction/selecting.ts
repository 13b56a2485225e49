import { endOf } from "../../../../../electron/contract/document/timeline.ts";
import type { AnySegment } from "../geometry/hit-test.ts";

/**
 * The selection after a press with a modifier: Ctrl adds the segment or takes it away, Shift adds all from `anchor` to it,
 * where both lie on the same track.
 */
export function extendedSelection(
  selection: ReadonlySet<string>,
  track: readonly AnySegment[],
  pressed: AnySegment,
  anchor: string | null,
  { shift, mod }: { readonly shift: boolean; readonly mod: boolean },
): ReadonlySet<string> {
  const extended = new Set(selection);
  if (mod && selection.has(pressed.id)) extended.delete(pressed.id);
  else extended.add(pressed.id);
  const from = shift ? track.find((segment) => segment.id === anchor) : undefined;
  if (from === undefined) return extended;
  const [start, end] = [Math.min(from.start, pressed.start), Math.max(endOf(from), endOf(pressed))];
  for (const segment of track) if (segment.start >= start && endOf(segment) <= end) extended.add(segment.id);
  return extended;
}
