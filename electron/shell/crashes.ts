import { type BrowserWindow, crashReporter, dialog } from "electron";
import type { ShellTexts } from "./texts.ts";

/** Crash dumps stay on this machine, in the `Crashpad` folder of the program's data; nothing is sent. */
export function keepCrashDumps(): void {
  crashReporter.start({ submitURL: "", uploadToServer: false });
}

/**
 * A page that died or hangs is offered to be loaded again; the server, and with it every render, goes on meanwhile.
 * https://www.electronjs.org/docs/latest/api/web-contents#event-render-process-gone
 */
export function offerReload(window: BrowserWindow, texts: ShellTexts, load: () => void, quit: () => void): void {
  let asking = false;
  const ask = async (message: string, detail: string, buttons: readonly [string, string], onSecond: () => void): Promise<void> => {
    if (asking || window.isDestroyed()) return;
    asking = true;
    const { response } = await dialog.showMessageBox(window, { type: "warning", message, detail, buttons: [...buttons], defaultId: 0, cancelId: 1, noLink: true });
    asking = false;
    if (response === 0) load();
    else onSecond();
  };
  window.webContents.on("render-process-gone", (_event, { reason }) => {
    if (reason !== "clean-exit") void ask(texts.windowCrashed, texts.windowCrashedDetail, [texts.reload, texts.quit], quit);
  });
  window.on("unresponsive", () => {
    void ask(texts.windowHangs, texts.windowHangsDetail, [texts.reload, texts.wait], () => undefined);
  });
}
