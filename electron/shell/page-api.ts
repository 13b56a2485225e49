import { type BrowserWindow, Menu, Notification, shell } from "electron";
import { z } from "zod";
import { type ShellActivity, shellChannels } from "../contract/shell.ts";
import type { Dialogs } from "./dialogs.ts";
import { menuTemplate } from "./menu.ts";
import { isTrustedLink } from "./navigation.ts";
import type { PathRegistry } from "./path-registry.ts";
import { activitySchema, addressSchema, handleSchema, menusSchema, noticeSchema, openRequestSchema, pathSchema, saveRequestSchema } from "./requests.schema.ts";
import type { PageFunctions } from "./trusted-sender.ts";

export interface PageApiParts {
  readonly functions: PageFunctions;
  readonly window: BrowserWindow;
  readonly dialogs: Dialogs;
  readonly paths: PathRegistry;
  readonly onActivity: (activity: ShellActivity) => void;
  readonly onReady: () => void;
  readonly showWindow: () => void;
}

/** What `window.avatarShell` calls. */
export function offerPageApi({ functions: { handle }, window, dialogs, paths, onActivity, onReady, showWindow }: PageApiParts): void {
  // The system drops a notice whose object is collected; the newest few are kept.
  const notices: Notification[] = [];

  handle(shellChannels.chooseFiles, openRequestSchema, dialogs.chooseFiles);
  handle(shellChannels.chooseTarget, saveRequestSchema, dialogs.chooseTarget);
  handle(shellChannels.handleOfPath, pathSchema, (path) => paths.register(path, "read"));
  handle(shellChannels.reveal, handleSchema, (id) => {
    const path = paths.pathOf(id);
    if (path !== null) shell.showItemInFolder(path);
  });
  handle(shellChannels.openLink, addressSchema, async (address) => {
    if (!isTrustedLink(address)) return false;
    await shell.openExternal(address);
    return true;
  });
  handle(shellChannels.setMenu, menusSchema, (menus) => {
    const template = menuTemplate(menus, process.platform, (id) => window.webContents.send(shellChannels.menuAction, id));
    Menu.setApplicationMenu(Menu.buildFromTemplate(template));
  });
  handle(shellChannels.setActivity, activitySchema, (activity) => {
    // Electron's sign for "no bar" is a negative number.
    window.setProgressBar(activity.progress ?? -1);
    onActivity(activity);
  });
  handle(shellChannels.notify, noticeSchema, ({ title, body }) => {
    if (!Notification.isSupported()) return;
    const notice = new Notification({ title, body });
    notice.on("click", showWindow);
    notice.show();
    notices.push(notice);
    if (notices.length > 5) notices.shift();
  });
  handle(shellChannels.ready, z.null(), onReady);
}
