import type { ActionDefinition } from "../../actions/definition.ts";
import { currentSession } from "../../editor/editor-session.ts";
import { showFaultToast } from "../../app/fault-toast.ts";
import { faultOf } from "../../rpc/client.ts";
import { startRender } from "./start-render.ts";
import { studioDialogs } from "./studio-dialogs.ts";

const session = () => currentSession.getState().session;
const open = (): boolean => session() !== null;
const writable = (): boolean => session()?.editor.store.getState().readOnly === false;

/** Renders what changed, in the quality that is shown. */
async function renderChanged(): Promise<void> {
  const now = session();
  if (now === null) return;
  try {
    await startRender(now, now.editor.store.getState().quality, { kind: "stale" });
  } catch (error) {
    showFaultToast(faultOf(error));
  }
}

export const actions: readonly ActionDefinition[] = [
  { id: "render.changed", labelKey: "studio.renderChanged", category: "render", defaultShortcuts: ["Mod+Enter"], enabled: writable, run: renderChanged },
  { id: "render.open", labelKey: "studio.renderMore", category: "render", defaultShortcuts: ["Mod+Shift+Enter"], enabled: writable, run: () => studioDialogs.setState({ render: true }) },
  {
    id: "view.quality",
    labelKey: "studio.switchQuality",
    category: "view",
    defaultShortcuts: ["Alt+Shift+V"],
    startsGroup: true,
    enabled: open,
    run: () => {
      const editor = session()?.editor;
      editor?.setQuality(editor.store.getState().quality === "preview" ? "final" : "preview");
    },
  },
];
