import type { ProjectSettings, Quality, QualitySettings } from "./project-document.schema.ts";

/** A scenario button: settings for one quality and how much of the timeline to render. */
export type Preset = {
  /** As the engine's `--preset` calls it; also the key of its texts. */
  readonly id: "quick_preview" | "standard" | "endless" | "high_resolution";
  readonly quality: Quality;
  readonly settings: Readonly<Pick<QualitySettings, "width" | "height" | "sampleSteps">>;
  /** At most so many clips from the start. */
  readonly clips: number;
};

export const PRESETS: readonly Preset[] = [
  { id: "quick_preview", quality: "preview", settings: { width: 384, height: 256, sampleSteps: 3 }, clips: 10 },
  { id: "standard", quality: "final", settings: { width: 688, height: 368, sampleSteps: 4 }, clips: 100 },
  { id: "endless", quality: "final", settings: { width: 688, height: 368, sampleSteps: 4 }, clips: 1000 },
  { id: "high_resolution", quality: "final", settings: { width: 704, height: 384, sampleSteps: 4 }, clips: 50 },
];

/** What a new project renders with. */
export const DEFAULT_SETTINGS: Readonly<Pick<ProjectSettings, "modelId" | "inferFrames" | "preview" | "final">> = {
  modelId: "demo",
  inferFrames: 48,
  preview: { width: 384, height: 256, sampleSteps: 3 },
  final: { width: 704, height: 384, sampleSteps: 4 },
};
