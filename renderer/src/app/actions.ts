import i18next from "i18next";
import type { ActionDefinition } from "../actions/definition.ts";
import { client, faultOf } from "../rpc/client.ts";
import { closeDialog, openDialog, showDialog } from "./dialogs.ts";
import { showFaultToast } from "./fault-toast.ts";
import { navigate } from "./navigation.ts";
import { changeSettings } from "./preferences.ts";
import { shell } from "./shell.ts";
import { themeInUse } from "./theme.ts";

const always = (): boolean => true;

/** Opens a project file chosen in the system's dialog; in a browser the list of projects. */
async function openProject(): Promise<void> {
  if (shell === null) {
    showDialog("projects");
    return;
  }
  const [chosen] = await shell.chooseFiles({ kind: "project", title: i18next.t("actions.open"), filters: [{ name: "Avatar Studio", extensions: ["avatar"] }], multiple: false, folder: false });
  if (chosen !== undefined) await openProjectFile(chosen.handle);
}

export async function openProjectFile(handle: string): Promise<void> {
  try {
    const { document } = await client.projects.open({ kind: "handle", handle });
    navigate({ page: "studio", projectId: document.id });
  } catch (error) {
    showFaultToast(faultOf(error));
  }
}

/** What can be done on every page. Letters with Alt and Shift: browsers keep most others for themselves. */
export const actions: readonly ActionDefinition[] = [
  { id: "file.new", labelKey: "actions.newVideo", category: "file", defaultShortcuts: ["Alt+Shift+N"], enabled: always, run: () => navigate({ page: "new", projectId: null }) },
  { id: "file.open", labelKey: "actions.open", category: "file", defaultShortcuts: ["Mod+O"], enabled: always, run: openProject },
  { id: "file.home", labelKey: "actions.home", category: "file", defaultShortcuts: ["Alt+Shift+H"], startsGroup: true, enabled: ({ route }) => route.page !== "home", run: () => navigate({ page: "home" }) },
  { id: "file.settings", labelKey: "actions.settings", category: "file", defaultShortcuts: ["Mod+,"], enabled: always, run: () => navigate({ page: "settings" }) },
  { id: "view.queue", labelKey: "actions.queue", category: "view", defaultShortcuts: ["Alt+Shift+Q"], enabled: always, run: () => navigate({ page: "queue" }) },
  { id: "view.setup", labelKey: "actions.setup", category: "view", defaultShortcuts: ["Alt+Shift+U"], enabled: always, run: () => navigate({ page: "setup" }) },
  {
    id: "view.theme",
    labelKey: "actions.theme",
    category: "view",
    defaultShortcuts: ["Alt+Shift+T"],
    startsGroup: true,
    enabled: always,
    run: () => changeSettings({ theme: themeInUse() === "dark" ? "light" : "dark" }),
  },
  { id: "view.language", labelKey: "actions.language", category: "view", defaultShortcuts: ["Alt+Shift+L"], enabled: always, run: () => changeSettings({ language: i18next.language === "zh" ? "en" : "zh" }) },
  {
    id: "help.palette",
    labelKey: "actions.palette",
    category: "help",
    defaultShortcuts: ["Mod+K"],
    whileTyping: true,
    enabled: always,
    run: () => (openDialog.getState().dialog === "palette" ? closeDialog() : showDialog("palette")),
  },
  { id: "help.shortcuts", labelKey: "actions.shortcuts", category: "help", defaultShortcuts: ["?"], enabled: always, run: () => showDialog("shortcuts") },
  { id: "help.diagnostics", labelKey: "actions.diagnostics", category: "help", defaultShortcuts: [], startsGroup: true, enabled: always, run: () => showDialog("diagnostics") },
  { id: "help.about", labelKey: "actions.about", category: "help", defaultShortcuts: [], enabled: always, run: () => showDialog("about") },
];
