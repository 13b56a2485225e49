import { useState } from "react";
import { useEditor, type EditorSession } from "../../editor/editor-session.ts";

/** Whether the server has the project with this file in it: only then it shows the file's picture or peaks. */
export function useKnown(session: EditorSession, mediaId: string): boolean {
  const saved = useEditor(session, (state) => state.saving.kind === "saved");
  const [known, setKnown] = useState<string | null>(null);
  if (saved && known !== mediaId) setKnown(mediaId);
  return known === mediaId;
}
