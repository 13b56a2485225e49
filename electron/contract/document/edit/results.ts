import { LIMITS } from "../limits.ts";
import type { ProjectDocument } from "../project-document.schema.ts";
import type { EditResult, RefusalReason } from "./commands.ts";

export function done(document: ProjectDocument, created: readonly string[] = []): EditResult {
  return { refused: null, document, created };
}

export function refuse(reason: RefusalReason): EditResult {
  return { refused: reason };
}

/** A frame of the timeline, or a number of frames. */
export function isFrame(value: number): boolean {
  return isWhole(value, 0, LIMITS.frame);
}

export function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

export function isGain(value: number): boolean {
  return value >= LIMITS.gainDecibels.min && value <= LIMITS.gainDecibels.max;
}

export function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
