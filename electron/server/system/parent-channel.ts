import { type MessageToServer, messageToServerSchema, type MessageToShell, type ServerStart } from "../../contract/shell-messages.schema.ts";

/** The program that started this server: the desktop shell, a test, or none. */
export interface ParentChannel {
  /** Whether messages can be exchanged: then a shell with native dialogs is there. */
  readonly connected: boolean;
  readonly send: (message: MessageToShell) => void;
}

interface ParentPort {
  readonly on: (event: "message", listener: (event: { readonly data: unknown }) => void) => void;
  readonly postMessage: (message: unknown) => void;
}

export interface ParentListeners {
  readonly onMessage: (message: MessageToServer) => void;
  /** The parent is gone. */
  readonly onGone: () => void;
}

/** Electron's utility processes have a port; children of Node have an IPC channel. Messages that do not fit the contract are ignored. */
export function openParentChannel(listeners: ParentListeners): ParentChannel {
  const receive = (value: unknown): void => {
    const message = messageToServerSchema.safeParse(value);
    if (message.success) listeners.onMessage(message.data);
  };
  const port = (process as { readonly parentPort?: ParentPort }).parentPort;
  if (port !== undefined) {
    port.on("message", ({ data }) => receive(data));
    return { connected: true, send: (message) => port.postMessage(message) };
  }
  if (process.send === undefined) return { connected: false, send: () => undefined };
  process.on("message", receive);
  process.once("disconnect", listeners.onGone);
  return {
    connected: true,
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, {}, () => undefined);
    },
  };
}

/** The one line that a starting program waits for. */
export function printStart(start: ServerStart): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(start)}\n`, () => resolve()));
}
