import type { Said } from "../../contract/said.schema.ts";

/** A render that warns without end is not read to the end. */
const MOST_WARNINGS = 32;

/** The list with one more warning; one that is on it already changes nothing. */
export function withWarning(warnings: readonly Said[], warning: Said): readonly Said[] {
  if (warnings.some((other) => other.code === warning.code && other.text === warning.text)) return warnings;
  return [...warnings, warning].slice(-MOST_WARNINGS);
}
