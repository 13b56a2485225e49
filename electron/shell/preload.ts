import { type IpcRendererEvent, contextBridge, ipcRenderer, webUtils } from "electron";
import { type AvatarShell, type PathHandle, shellChannels } from "../contract/shell.ts";

/** The page gets the value of an event, never the event itself: that would hand it the whole channel. */
function subscribe(channel: string, listener: (value: never) => void): () => void {
  const forward = (_event: IpcRendererEvent, value: unknown): void => listener(value as never);
  ipcRenderer.on(channel, forward);
  return () => {
    ipcRenderer.removeListener(channel, forward);
  };
}

const call = (channel: string, request: unknown = null): Promise<unknown> => ipcRenderer.invoke(channel, request);
const platform = process.platform === "darwin" || process.platform === "win32" ? process.platform : "linux";

const shell: AvatarShell = {
  platform,
  chooseFiles: (request) => call(shellChannels.chooseFiles, request) as Promise<readonly PathHandle[]>,
  chooseTarget: (request) => call(shellChannels.chooseTarget, request) as Promise<PathHandle | null>,
  handleOfFile: async (file) => {
    const path = webUtils.getPathForFile(file);
    return path === "" ? null : ((await call(shellChannels.handleOfPath, path)) as PathHandle);
  },
  reveal: async (handle) => {
    await call(shellChannels.reveal, handle);
  },
  openLink: async (address) => (await call(shellChannels.openLink, address)) === true,
  setMenu: async (menus) => {
    await call(shellChannels.setMenu, menus);
  },
  setActivity: async (activity) => {
    await call(shellChannels.setActivity, activity);
  },
  notify: async (notice) => {
    await call(shellChannels.notify, notice);
  },
  onMenuAction: (listener) => subscribe(shellChannels.menuAction, listener),
  onOpenProject: (listener) => {
    const unsubscribe = subscribe(shellChannels.openProject, listener);
    // From here on nothing is lost; the main process has kept what came earlier.
    void call(shellChannels.ready);
    return unsubscribe;
  },
  onServerState: (listener) => subscribe(shellChannels.serverState, listener),
};

contextBridge.exposeInMainWorld("avatarShell", shell);
