import type { ActionDefinition } from "../../actions/definition.ts";
import { framesOfProject } from "../../../../electron/contract/document/timeline.ts";
import { currentSession } from "../../editor/editor-session.ts";
import { exportDialog } from "./export-dialog.ts";

export const actions: readonly ActionDefinition[] = [
  {
    id: "export.open",
    labelKey: "exporting.open",
    category: "file",
    startsGroup: true,
    defaultShortcuts: ["Mod+E"],
    enabled: () => {
      const { session } = currentSession.getState();
      return session !== null && framesOfProject(session.editor.store.getState().document) > 0;
    },
    run: () => exportDialog.setState({ open: true }),
  },
];
