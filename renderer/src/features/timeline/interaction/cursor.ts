import { assertNever } from "../../../../../electron/contract/assert-never.ts";
import type { Hit, RulerHit } from "../geometry/hit-test.ts";

/** The cursor says what a press would do. */
export function cursorOf(hit: Hit, readOnly: boolean): string {
  if (hit.kind === "lane") return "default";
  if (hit.kind === "cell" || readOnly) return "pointer";
  switch (hit.part) {
    case "body":
      return "grab";
    case "start":
      return "w-resize";
    case "end":
      return "e-resize";
    case "rollStart":
    case "rollEnd":
      return "col-resize";
    case "fadeIn":
    case "fadeOut":
      return "ew-resize";
    case "gain":
      return "ns-resize";
    default:
      return assertNever(hit.part);
  }
}

export function rulerCursorOf(hit: RulerHit, readOnly: boolean): string {
  if (readOnly) return "text";
  switch (hit.kind) {
    case "marker":
      return "grab";
    case "rangeStart":
    case "rangeEnd":
      return "ew-resize";
    case "time":
      return "text";
    default:
      return assertNever(hit);
  }
}
