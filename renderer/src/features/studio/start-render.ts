import type { Quality } from "../../../../electron/contract/document/project-document.schema.ts";
import type { RenderScope } from "../../../../electron/contract/jobs.schema.ts";
import type { EditorSession } from "../../editor/editor-session.ts";
import { client } from "../../rpc/client.ts";

/** Puts a render of the project as it is now on the queue. @throws what `faultOf` understands */
export async function startRender({ editor }: EditorSession, quality: Quality, scope: RenderScope): Promise<void> {
  // The server renders what it has saved.
  await editor.saved();
  await client.jobs.render({ projectId: editor.store.getState().projectId, quality, scope });
}
