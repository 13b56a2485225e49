import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import { type ExportPlan, planExport } from "./export-plan.ts";
import { withPinnedClips } from "./pinned-clips.ts";
import type { ExportPort } from "./ports.ts";
import type { RenderProgress } from "./render-tally.ts";
import type { RenderOutcome } from "./run-render.ts";
import { readTakeOutputs } from "./take-record.ts";

export interface ExportJobRequest {
  readonly projectFolder: string;
  /** As it was when the export was asked for. */
  readonly document: ProjectDocument;
  readonly quality: Quality;
  readonly request: ExportRequest;
  readonly target: string;
}

/**
 * Export what is finished. An export has no clips: its progress is the share of one long act.
 * @throws FaultError of the clips, the sound or the disk; the target is then as it was
 */
export async function runExport(job: ExportJobRequest, write: ExportPort, report: (progress: RenderProgress) => void, signal: AbortSignal): Promise<RenderOutcome> {
  const { document, projectFolder, quality, request, target } = job;
  const plan = async (): Promise<ExportPlan> => planExport(document, projectFolder, quality, request, await readTakeOutputs(projectFolder));
  const pace = new SharePace();
  let warnings: readonly Said[] = [];
  const onProgress = ({ share, doing }: { readonly share: number; readonly doing: Said }): void =>
    report({ clipsDone: 0, clipsTotal: 0, clipsReused: 0, doing, takeId: null, clip: null, clipOnTimeline: null, clipShare: share, picture: null, framesPerSecond: null, secondsLeft: pace.secondsLeft(share), memoryBytes: null, peakMemoryBytes: null, expected: null, warnings });
  try {
    await mkdir(dirname(target), { recursive: true });
    return await withPinnedClips(projectFolder, plan, async ({ takes, staleClips }) => {
      if (staleClips > 0) warnings = [say("CLIPS_OUT_OF_DATE", "Clips that were out of date, and were taken as they are: {clips}.", { clips: staleClips })];
      const written = await write({ request, document, projectFolder, takes, target }, { signal, onProgress });
      warnings = [...warnings, ...written.warnings.map((text) => say("PLAIN", "{text}", { text }))];
      onProgress({ share: 1, doing: say("EXPORT_FINISHED", "Finished") });
      return { kind: "finished", bytes: written.bytes };
    });
  } catch (error) {
    if (signal.aborted) return { kind: "stopped" };
    throw error;
  }
}

/** Below this the rest cannot be told from the little that is done. */
const LEAST_SHARE = 0.05;

class SharePace {
  readonly #startedAt = performance.now();

  secondsLeft(share: number): number | null {
    if (share < LEAST_SHARE) return null;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return (seconds / share) * (1 - share);
  }
}
