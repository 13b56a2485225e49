import type { ProjectSettings, QualitySettings } from "../../contract/document/project-document.schema.ts";

/** A side of the picture is never made smaller than this. */
const SMALLEST_SIDE = 128;
const STEP = 64;
/** Three denoising steps still look right; fewer are seen. */
const FEWEST_STEPS = 3;

/**
 * The next rung of the ladder after memory ran out: first a smaller picture (three quarters of each side, in whole multiples of 64), then fewer steps. Null at
 * its end. Fewer steps come last: they save caches only, the picture's size saves everywhere.
 */
export function lowerSettings(quality: QualitySettings): QualitySettings | null {
  const lower = (side: number): number => Math.max(Math.min(side, SMALLEST_SIDE), Math.floor((side * 0.75) / STEP) * STEP);
  const [width, height] = [lower(quality.width), lower(quality.height)];
  if (width < quality.width || height < quality.height) return { ...quality, width, height };
  return quality.sampleSteps > FEWEST_STEPS ? { ...quality, sampleSteps: quality.sampleSteps - 1 } : null;
}

/** The project's settings one rung lower in one quality; null at the end of the ladder. */
export function lowerProjectSettings(settings: ProjectSettings, quality: "preview" | "final"): ProjectSettings | null {
  const lowered = lowerSettings(settings[quality]);
  return lowered === null ? null : { ...settings, [quality]: lowered };
}
