import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Said } from "../../contract/said.schema.ts";
import { say } from "../common/say.ts";
import type { ProjectDocument, Quality } from "../../contract/document/project-document.schema.ts";
import type { EngineJob } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import type { RenderScope } from "../../contract/jobs.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { renderBytes, requireRoomToRender } from "./disk-room.ts";
import { engineJob } from "./engine-job.ts";
import { mixName } from "./mix-name.ts";
import type { RenderModel, RenderPorts } from "./ports.ts";
import { mediaGone } from "./render-faults.ts";
import { planRender, type PlannedTake } from "./render-plan.ts";
import { type RenderProgress, RenderTally } from "./render-tally.ts";
import { followTake, type TakeEnd } from "./render-take.ts";
import { mixFolder } from "./take-folders.ts";
import { readTakeOutput, readTakeOutputs } from "./take-record.ts";

export interface RenderRequest {
  readonly jobId: string;
  readonly projectId: string;
  readonly projectFolder: string;
  /** As it was when the job began; later edits do not touch the job. */
  readonly document: ProjectDocument;
  readonly quality: Quality;
  readonly scope: RenderScope;
}

export type RenderOutcome = { readonly kind: "finished"; readonly bytes: number } | { readonly kind: "stopped" };

/** A worker that ends again and again before one more clip is done would do so for ever. */
const MOST_LOSSES_IN_A_ROW = 3;

/**
 * Render a document, take by take. What an earlier run finished is kept by the engine; clips are recorded with what
 * they were made from as they land. An abort stops within one block.
 * @throws FaultError of the material, the engine or the disk; finished clips stay.
 */
export async function runRender(request: RenderRequest, ports: RenderPorts, report: (progress: RenderProgress) => void, signal: AbortSignal): Promise<RenderOutcome> {
  const { document, projectFolder, quality } = request;
  const outputs = await readTakeOutputs(projectFolder);
  const plan = planRender(document, quality, request.scope, outputs);
  await requireRoomToRender(ports.freeBytes, projectFolder, quality, renderBytes(plan, document, quality, outputs));
  await checkMedia(request, plan.takes);
  const model = forQuality(await ports.findModel(document.settings.modelId), quality);
  const tally = new RenderTally(plan.takes, document.settings.inferFrames);
  const tell = (doing?: Said): void => {
    if (doing !== undefined) tally.say(doing);
    tally.remember(ports.engine.memoryBytes());
    report(tally.progress());
  };
  try {
    for (const [index, planned] of plan.takes.entries()) {
      tally.beginTake(index);
      tell(say("MIXING_SOUND", "Mixing the sound"));
      const job = await prepareTake(request, ports, planned, signal);
      const expected = await ports.engine.plan(model, job, signal);
      tally.expect(expected);
      const end = await renderUntilDone(planned, job, expected.size);
      if (end.kind !== "finished") return { kind: "stopped" };
      // An older engine may tell some only here.
      for (const warning of end.warnings) tally.warn(warning);
      tally.endTake();
      tell();
    }
  } catch (error) {
    if (signal.aborted) return { kind: "stopped" };
    throw error;
  }
  return { kind: "finished", bytes: await bytesOf(request, plan.takes) };

  /** Goes on with another worker when one ends, as long as that brings new clips. */
  async function renderUntilDone(planned: PlannedTake, job: EngineJob, size: { readonly width: number; readonly height: number }): Promise<TakeEnd> {
    let lossesInARow = 0;
    let clipsOnDisk = 0;
    for (let attempt = 1; ; attempt += 1) {
      let newClips = 0;
      const engineJobId = `${request.jobId}.${planned.take.id}.${attempt}`;
      const end = await followTake({
        planned,
        projectFolder,
        quality,
        job,
        size,
        updates: ports.engine.render(model, request.jobId, engineJobId, job, signal),
        onEvent: (event) => {
          if (event.kind === "clip") {
            clipsOnDisk = Math.max(clipsOnDisk, event.clip + 1);
            if (!event.reused) newClips += 1;
          }
          tally.observe(event);
          tell();
        },
        publish: (output) => ports.publish(request.projectId, output),
      });
      if (end.kind !== "lost") return end;
      if (signal.aborted) return { kind: "cancelled" };
      lossesInARow = newClips > 0 ? 1 : lossesInARow + 1;
      if (lossesInARow > MOST_LOSSES_IN_A_ROW) throw new FaultError(keepsEnding(end.fault, planned.firstClip + clipsOnDisk));
      tally.beginTake(plan.takes.indexOf(planned));
      tell(say("STARTING_AGAIN", "{what} Starting it again", { what: end.fault.what }));
    }
  }
}

/** Somebody waits for the pictures of a preview: a card is to bring each soon rather than many an hour. */
function forQuality(model: RenderModel, quality: Quality): RenderModel {
  return { ...model, choice: { ...model.choice, compute: { ...model.choice.compute, live: quality === "preview" } } };
}

/** The take's sound as a file, and the engine's job for it. */
async function prepareTake(request: RenderRequest, ports: RenderPorts, planned: PlannedTake, signal: AbortSignal): Promise<EngineJob> {
  const { document, projectFolder, quality } = request;
  const folder = mixFolder(projectFolder);
  const soundPath = join(folder, mixName(planned.take));
  await mkdir(folder, { recursive: true });
  if (!(await exists(soundPath))) await ports.mix({ document, projectFolder, take: planned.take, target: soundPath }, signal);
  return engineJob(planned, { document, projectFolder, quality, soundPath, freeDiskBytes: await ports.freeBytes(projectFolder) });
}

/** Says which file is missing by the name the user knows, before the engine meets its path. */
async function checkMedia({ document, projectFolder }: RenderRequest, takes: readonly PlannedTake[]): Promise<void> {
  const uses = new Map(takes.flatMap(({ take }) => [...take.sound.pieces.map((piece) => [piece.mediaId, "audio"] as const), [take.portraitMediaId, "portrait"] as const]));
  for (const media of document.media) {
    const field = uses.get(media.id);
    if (field !== undefined && !(await exists(join(projectFolder, media.path)))) throw mediaGone(media.name, field);
  }
}

async function bytesOf({ projectFolder, quality }: RenderRequest, takes: readonly PlannedTake[]): Promise<number> {
  let bytes = 0;
  for (const { take, clips } of takes) {
    const output = await readTakeOutput(projectFolder, quality, take.id);
    for (const clip of output?.clips.slice(0, clips) ?? []) bytes += clip.bytes;
  }
  return bytes;
}

function keepsEnding(cause: Fault, clipOnTimeline: number): Fault {
  return { ...cause, what: `The engine ended ${MOST_LOSSES_IN_A_ROW + 1} times at clip ${clipOnTimeline + 1}.`, why: `${cause.what} ${cause.why}`, hint: "Finished clips are kept. Try a smaller size or fewer steps, or look at the engine's log." };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
