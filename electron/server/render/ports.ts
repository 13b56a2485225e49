import type { Said } from "../../contract/said.schema.ts";
import type { Take } from "../../contract/document/takes.ts";
import type { ProjectDocument } from "../../contract/document/project-document.schema.ts";
import type { EngineEvent, EngineFinished, EnginePlan } from "../../contract/engine-messages.schema.ts";
import type { EngineJob, ModelChoice } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import type { TakeOutput } from "../../contract/outputs.schema.ts";
import type { FreeBytes } from "./disk-room.ts";
import type { ExportTake } from "./export-plan.ts";

/** What rendering needs of the rest of the studio. */

export interface RenderModel {
  readonly id: string;
  readonly choice: ModelChoice;
}

export type EngineUpdate =
  | { readonly kind: "event"; readonly event: EngineEvent }
  | { readonly kind: "finished"; readonly result: EngineFinished }
  | { readonly kind: "cancelled"; readonly clipsOnDisk: number }
  /** The worker ended; another one is being started. */
  | { readonly kind: "lost"; readonly fault: Fault };

export interface EnginePort {
  /** Waits for a worker. Throws its fault when it cannot be had. */
  readonly plan: (model: RenderModel, job: EngineJob, signal?: AbortSignal) => Promise<EnginePlan>;
  /** Throws the engine's fault for a job that it refuses or that fails. */
  readonly render: (model: RenderModel, jobId: string, engineJobId: string, job: EngineJob, signal: AbortSignal) => AsyncIterable<EngineUpdate>;
  readonly memoryBytes: () => number | null;
}

export interface MixRequest {
  readonly document: ProjectDocument;
  readonly projectFolder: string;
  readonly take: Take;
  /** The file to make, whole or not at all: WAV, exactly as long as the take, the same bytes every time. */
  readonly target: string;
}

/** Writes one export; the target appears whole or not at all. */
export type ExportPort = (
  request: { readonly request: ExportRequest; readonly document: ProjectDocument; readonly projectFolder: string; readonly takes: readonly ExportTake[]; readonly target: string },
  options: { readonly signal: AbortSignal; readonly onProgress: (progress: { readonly share: number; readonly doing: Said }) => void },
) => Promise<{ readonly bytes: number; readonly warnings: readonly string[] }>;

export interface RenderPorts {
  readonly engine: EnginePort;
  /** Where a model's files are. Throws MODEL_… when it cannot be used. */
  readonly findModel: (modelId: string) => Promise<RenderModel>;
  readonly mix: (request: MixRequest, signal: AbortSignal) => Promise<void>;
  readonly freeBytes: FreeBytes;
  /** A take's clips changed. */
  readonly publish: (projectId: string, output: TakeOutput) => void;
}
