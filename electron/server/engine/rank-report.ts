import type { EngineRank } from "../../contract/engine-messages.schema.ts";
import type { RankReport } from "../../contract/machine.schema.ts";

/** A rank as the page shows it; `rendering`: a job is under way. Engines of before 0.2 tell neither shares nor pace. */
export function rankReport({ rank, device, uuid, phase, layers, steps, frames_per_second: framesPerSecond, memory }: EngineRank, rendering: boolean): RankReport {
  return {
    rank,
    device,
    uuid: uuid ?? null,
    state: phase === "starting" || phase === "loading" ? phase : rendering ? "working" : "waiting",
    layers: layers ?? null,
    steps: steps ?? null,
    framesPerSecond: framesPerSecond ?? null,
    memory: memory === null ? null : { usedBytes: memory.reserved, totalBytes: memory.total },
  };
}
