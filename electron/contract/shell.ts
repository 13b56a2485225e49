import type { Fault } from "./fault.schema.ts";

/**
 * What the desktop shell gives the page as `window.avatarShell`; in a browser it is not there. It offers only what a page
 * cannot do by itself. Paths never reach the page: the shell registers them with the server and hands out handles.
 */
export interface AvatarShell {
  readonly platform: "linux" | "darwin" | "win32";
  /** Native dialog to open files. Empty when the user cancels. */
  readonly chooseFiles: (request: OpenRequest) => Promise<readonly PathHandle[]>;
  /** Native dialog to save a file; asks before it replaces one. Null when the user cancels. */
  readonly chooseTarget: (request: SaveRequest) => Promise<PathHandle | null>;
  /** For a file dropped on the page; null when it is not a file of the disk. */
  readonly handleOfFile: (file: File) => Promise<PathHandle | null>;
  /** Shows a chosen file in the system's file manager. */
  readonly reveal: (handle: string) => Promise<void>;
  /** Opens a web page of the project in the user's browser; false when the address is not one that the shell trusts. */
  readonly openLink: (address: string) => Promise<boolean>;
  /** The native menu, made from the action registry. */
  readonly setMenu: (menus: readonly ShellMenu[]) => Promise<void>;
  /** What runs, for the taskbar and for the question before quitting. */
  readonly setActivity: (activity: ShellActivity) => Promise<void>;
  /** A notification of the system; a click on it brings the window to the front. */
  readonly notify: (notice: ShellNotice) => Promise<void>;
  /** Events; the returned function ends the subscription. */
  readonly onMenuAction: (listener: (actionId: string) => void) => () => void;
  /** A project was opened from outside: double-click, second start, drop on the icon. What came before the first listener is kept for it. */
  readonly onOpenProject: (listener: (project: PathHandle) => void) => () => void;
  readonly onServerState: (listener: (state: ServerState) => void) => () => void;
}

/** A file or folder that the user chose. The server knows the path of `handle`; `name` is for the eye. */
export interface PathHandle {
  readonly handle: string;
  readonly name: string;
}

/** What is asked for; each kind remembers its own last folder. */
export const fileKinds = ["portrait", "voice", "project", "video", "picture", "captions", "model", "runtime"] as const;
export type FileKind = (typeof fileKinds)[number];

export interface FileFilter {
  readonly name: string;
  /** Without dots, such as `png`; `*` for all. */
  readonly extensions: readonly string[];
}

export interface OpenRequest {
  readonly kind: FileKind;
  readonly title: string;
  readonly filters: readonly FileFilter[];
  readonly multiple: boolean;
  /** Choose a folder instead of files. */
  readonly folder: boolean;
}

export interface SaveRequest {
  readonly kind: FileKind;
  readonly title: string;
  readonly suggestedName: string;
  readonly filters: readonly FileFilter[];
}

/** A menu of the menu bar. `role` tells macOS which one it is. */
export interface ShellMenu {
  readonly label: string;
  readonly role: "app" | "edit" | "window" | "help" | null;
  readonly items: readonly ShellMenuItem[];
}

export type ShellMenuItem =
  | { readonly kind: "separator" }
  | {
      readonly kind: "action";
      readonly id: string;
      readonly label: string;
      /** As Electron writes shortcuts, such as `CmdOrCtrl+Shift+Z`. Shown only: the page handles the key itself. */
      readonly accelerator: string | null;
      readonly enabled: boolean;
      readonly checked: boolean | null;
    }
  | { readonly kind: "submenu"; readonly label: string; readonly items: readonly ShellMenuItem[] };

export interface ShellActivity {
  /** Renders and exports that run now. */
  readonly runningJobs: number;
  /** Of what runs, 0 to 1; null when nothing runs. */
  readonly progress: number | null;
  /** Whether edits wait for a server that does not answer or has refused them. */
  readonly unsavedEdits: boolean;
  /** The question before quitting while something runs or waits, in the user's language. */
  readonly words: ShellWords;
}

export interface ShellWords {
  readonly quitQuestion: string;
  readonly quitDetail: string;
  /** Go on in the background: the window closes, a tray icon stays. */
  readonly keepRunning: string;
  /** Finished clips stay; the rest goes on at the next start. */
  readonly stopAndQuit: string;
  readonly cancel: string;
  /** Menu of the tray icon. */
  readonly open: string;
  readonly quit: string;
}

export interface ShellNotice {
  readonly title: string;
  readonly body: string;
}

export type ServerState =
  | { readonly kind: "running" }
  | { readonly kind: "restarting"; readonly attempt: number }
  | { readonly kind: "stopped"; readonly fault: Fault };

/** Names of the messages between the page's preload script and the shell's main process. */
export const shellChannels = {
  chooseFiles: "avatar:choose-files",
  chooseTarget: "avatar:choose-target",
  handleOfPath: "avatar:handle-of-path",
  reveal: "avatar:reveal",
  openLink: "avatar:open-link",
  setMenu: "avatar:set-menu",
  setActivity: "avatar:set-activity",
  notify: "avatar:notify",
  ready: "avatar:ready",
  menuAction: "avatar:menu-action",
  openProject: "avatar:open-project",
  serverState: "avatar:server-state",
} as const;
