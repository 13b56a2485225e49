/*
 * Stands in for the module "electron" when the shell is built for Electron 9, the only one that tests can get without a
 * download host. It adds what the shell uses of the newest Electron; the program itself knows nothing of it.
 */
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import * as old from "electron";

export const { BrowserWindow, Menu, Notification, Tray, app, contextBridge, crashReporter, dialog, ipcRenderer, nativeImage, nativeTheme, powerMonitor, screen, shell } = old;

/** Makes a child of Node look like a utility process from inside: messages through `parentPort`, an empty stdin, an end with the parent. */
const LIKE_A_UTILITY_PROCESS = `
  const { EventEmitter } = await import("node:events");
  const send = process.send.bind(process);
  process.send = undefined;
  process.parentPort = Object.assign(new EventEmitter(), { postMessage: (message) => send(message) });
  process.on("message", (data) => process.parentPort.emit("message", { data }));
  process.on("disconnect", () => process.exit(0));
`;

/** A utility process, played by the system's Node. */
export const utilityProcess = {
  fork(file: string, args: readonly string[]) {
    const { AVATAR_STUDIO_TEST_NODE: node = "node" } = process.env;
    // Plain Node does not read Electron's archives: a test build keeps these files beside it.
    const readable = file.replace(/app\.asar(?=[\\/])/, "app.asar.unpacked");
    const page = join(readable, "..", "..", "renderer-electron-9");
    // A utility process is the program itself; the archive of the engine is looked for beside that.
    const preamble = LIKE_A_UTILITY_PROCESS + (readable === file ? "" : `process.execPath = ${JSON.stringify(process.execPath)};`);
    const child = spawn(node, ["--import", `data:text/javascript,${encodeURIComponent(preamble)}`, readable, ...args, "--page", page], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    return Object.assign(new EventEmitter(), {
      pid: child.pid,
      stdout: child.stdout,
      postMessage: (message: object) => void child.send(message),
      on: (event: string, listener: (value: unknown) => void) => child.on(event, listener),
      once: (event: string, listener: (value: unknown) => void) => child.once(event, listener),
    });
  },
};

/** Old files know their path themselves. */
export const webUtils = { getPathForFile: (file: { readonly path?: string }): string => file.path ?? "" };

/** Old events have no `senderFrame`. Only main frames have a preload script here, so the page's address is the frame's. */
export const ipcMain = old.ipcMain as unknown === undefined ? undefined : {
  handle: (channel: string, answer: (event: object, request: unknown) => unknown): void =>
    old.ipcMain.handle(channel, (event, request: unknown) => answer({ senderFrame: { url: event.sender.getURL(), parent: null } }, request)),
};

interface OldContents {
  on: (event: "new-window", listener: (event: { preventDefault: () => void }, url: string) => void) => void;
}
interface NewContents {
  setWindowOpenHandler: (decide: (details: { readonly url: string }) => unknown) => void;
}

if (old.app as unknown !== undefined) {
  // Once in a hundred times its Node crashes when it ends while the tests' debugger is attached.
  const exit = old.app.exit.bind(old.app);
  old.app.exit = (code) => {
    // Only here: in a page's preload script there is no such module.
    void import("node:inspector").then((inspector) => {
      inspector.close();
      exit(code);
    });
  };
  old.app.on("web-contents-created", (_event, contents) => {
    (contents as unknown as NewContents).setWindowOpenHandler = (decide) => {
      (contents as unknown as OldContents).on("new-window", (event, url) => {
        event.preventDefault();
        decide({ url });
      });
    };
  });
}

/** `fetch` of a session, as far as the shell uses it: for the cookie. */
export const session = old.session as unknown === undefined ? undefined : {
  get defaultSession() {
    return Object.assign(old.session.defaultSession, {
      fetch: (url: string): Promise<void> =>
        new Promise((resolve, reject) => {
          const request = old.net.request({ url, session: old.session.defaultSession, useSessionCookies: true });
          request.on("response", () => resolve());
          request.on("error", reject);
          request.end();
        }),
    });
  },
};
