import type { Cell } from "../../../../../electron/contract/document/output-lane.ts";
import { chooseTarget } from "../../../app/targets.ts";
import type { EditorSession } from "../../../editor/editor-session.ts";
import { committedOutput } from "../../../editor/shown-output.ts";
import { client } from "../../../rpc/client.ts";
import { seek } from "./navigation.ts";

/** The clip that is selected in the output lane, or null. */
export function focusedCell(session: EditorSession): Cell | null {
  const state = session.editor.store.getState();
  const { focus } = state;
  if (focus?.kind !== "clip") return null;
  return committedOutput(state).cells.find((cell) => cell.takeId === focus.takeId && cell.clip === focus.clip) ?? null;
}

/** Queues a render up to the end of one clip; what is fresh before it is kept. @throws a fault of the server or of saving */
export async function renderClip(session: EditorSession, cell: Cell): Promise<void> {
  const { projectId, quality } = session.editor.store.getState();
  await session.editor.saved();
  await client.jobs.render({ projectId, quality, scope: { kind: "range", start: cell.startFrame, end: cell.startFrame + cell.frames } });
}

export function playClip(session: EditorSession, cell: Cell): void {
  seek(session, cell.startFrame);
  session.transport.getState().transport?.play(1);
}

/** Queues the picture of one frame as a PNG file. False when the user chose no file. @throws a fault of the server or of saving */
export async function exportStill(session: EditorSession, frame: number, title: string): Promise<boolean> {
  const { projectId, quality, history } = session.editor.store.getState();
  const target = await chooseTarget({ kind: "picture", title, suggestedName: `${history.present.name}-${String(frame)}.png`, filters: [{ name: "PNG", extensions: ["png"] }] });
  if (target === null) return false;
  await session.editor.saved();
  await client.jobs.export({ projectId, quality, request: { format: "png", frame }, target });
  return true;
}
