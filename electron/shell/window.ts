import { BrowserWindow, type NativeImage, nativeTheme, screen } from "electron";
import { jsonFile } from "./json-file.ts";
import { FIRST_WINDOW, SMALLEST_WINDOW, placeWindow, windowStateSchema } from "./window-state.ts";

/** The one window, where it was last time; hidden until there is something to see. */
export function createWindow({ preload, stateFile, icon }: { readonly preload: string; readonly stateFile: string; readonly icon: NativeImage }): BrowserWindow {
  const memory = jsonFile(stateFile, windowStateSchema, FIRST_WINDOW);
  const state = memory.read();
  const window = new BrowserWindow({
    ...placeWindow(state, screen.getAllDisplays().map(({ workArea }) => workArea)),
    minWidth: SMALLEST_WINDOW.width,
    minHeight: SMALLEST_WINDOW.height,
    show: false,
    title: "Avatar Studio",
    icon,
    // The colours of an empty page, so that the start does not flash.
    backgroundColor: nativeTheme.shouldUseDarkColors ? "#17181a" : "#f7f7f8",
    webPreferences: {
      preload,
      // https://www.electronjs.org/docs/latest/tutorial/security#3-enable-context-isolation and the points around it
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      navigateOnDragDrop: false,
      spellcheck: false,
    },
  });
  if (state.maximised) window.maximize();
  window.once("ready-to-show", () => window.show());
  // Edits are with the server as soon as they are made, so a page never has a reason to hold the window back.
  window.webContents.on("will-prevent-unload", (event) => event.preventDefault());

  const remember = (): void => {
    if (!window.isDestroyed() && !window.isMinimized()) memory.write({ bounds: window.getNormalBounds(), maximised: window.isMaximized() });
  };
  for (const event of ["resized", "moved", "maximize", "unmaximize", "close"] as const) window.on(event as "close", remember);
  return window;
}
