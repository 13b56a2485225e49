import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { EngineEvent } from "../../contract/engine-messages.schema.ts";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import type { Quality } from "../../contract/document/project-document.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { RenderedClip, TakeOutput } from "../../contract/outputs.schema.ts";
import type { Said } from "../../contract/said.schema.ts";
import { saidByEngine } from "../common/say.ts";
import type { EngineUpdate } from "./ports.ts";
import type { PlannedTake } from "./render-plan.ts";
import { clipFileName, takeFolder } from "./take-folders.ts";
import { openTakeRecorder, readTakeOutput, type TakeRecorder } from "./take-record.ts";

export type TakeEnd = { readonly kind: "finished"; readonly warnings: readonly Said[] } | { readonly kind: "cancelled" } | { readonly kind: "lost"; readonly fault: Fault };

export interface TakeRun {
  readonly planned: PlannedTake;
  readonly projectFolder: string;
  readonly quality: Quality;
  readonly job: EngineJob;
  /** Real size of the pictures, from the engine's plan. */
  readonly size: { readonly width: number; readonly height: number };
  readonly updates: AsyncIterable<EngineUpdate>;
  readonly onEvent: (event: EngineEvent) => void;
  readonly publish: (output: TakeOutput) => void;
}

/**
 * Follow one render of one take and record its clips with what they were made from.
 * @throws FaultError of the engine, or when the record cannot be written
 */
export async function followTake(run: TakeRun): Promise<TakeEnd> {
  const { planned, projectFolder, quality, size } = run;
  const { ingredients, take } = planned;
  const folder = takeFolder(projectFolder, quality, take.id);
  const clips: RenderedClip[] = [];
  // Not before the engine reports a clip: until then the old clips are what there is to see.
  let recorder: TakeRecorder | null = null;
  const publish = (): void => run.publish({ takeId: take.id, quality, ingredients: ingredients.take, ...size, clips: [...clips] });

  const addClip = async (event: Extract<EngineEvent, { kind: "clip" }>): Promise<void> => {
    const clipIngredients = ingredients.clips[event.clip];
    // A hole or a clip past the end cannot be; a player must never see one.
    if (clipIngredients === undefined || event.clip !== clips.length) return;
    const { size: bytes } = await stat(join(folder, clipFileName(event.clip)));
    recorder ??= await openTakeRecorder(projectFolder, quality, take.id, ingredients.take, size);
    await recorder.add(event.clip, event.content_hash, clipIngredients);
    clips.push({ ingredients: clipIngredients, contentHash: event.content_hash, frames: event.frames, bytes });
    if (!event.reused) publish();
  };

  /** What is on disk now, also clips past the part that was wanted. */
  const publishAll = async (): Promise<void> => {
    const output = await readTakeOutput(projectFolder, quality, take.id);
    run.publish(output ?? { takeId: take.id, quality, ingredients: ingredients.take, ...size, clips: [] });
  };

  let sawBlock = false;
  for await (const update of run.updates) {
    switch (update.kind) {
      case "event":
        run.onEvent(update.event);
        if (update.event.kind === "clip") await addClip(update.event);
        // From the first block on the engine has deleted what cannot stay.
        if (update.event.kind === "block" && !sawBlock) {
          sawBlock = true;
          await publishAll();
        }
        break;
      case "finished":
        await publishAll();
        return { kind: "finished", warnings: update.result.warnings.map(saidByEngine) };
      case "cancelled":
        await publishAll();
        return { kind: "cancelled" };
      case "lost":
        return update;
    }
  }
  return { kind: "cancelled" };
}
