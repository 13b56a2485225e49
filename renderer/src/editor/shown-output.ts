import { type OutputLane, outputLane } from "../../../electron/contract/document/output-lane.ts";
import type { ProjectDocument } from "../../../electron/contract/document/project-document.schema.ts";
import type { EditorState } from "./editor-store.ts";

type Inputs = Pick<EditorState, "document" | "outputs" | "jobs" | "jobDocuments" | "quality">;

/** By document, so that a drag's preview and the document behind it do not push each other out. */
const known = new WeakMap<ProjectDocument, { readonly inputs: Inputs; readonly lane: OutputLane }>();

/** The output lane as it is shown now. Timeline, player and inspector all ask; it is worked out once for each state. */
export function shownOutput(state: Inputs): OutputLane {
  const { document, outputs, jobs, jobDocuments, quality } = state;
  const last = known.get(document);
  if (last?.inputs.outputs === outputs && last.inputs.jobs === jobs && last.inputs.jobDocuments === jobDocuments && last.inputs.quality === quality) return last.lane;
  const lane = outputLane(document, outputs, jobs, quality, jobDocuments);
  known.set(document, { inputs: { document, outputs, jobs, jobDocuments, quality }, lane });
  return lane;
}

/** The same for the document without the drag under way: while something moves, nothing has become stale yet. */
export function committedOutput({ history, outputs, jobs, jobDocuments, quality }: EditorState): OutputLane {
  return shownOutput({ document: history.present, outputs, jobs, jobDocuments, quality });
}
