import { utilityProcess } from "electron";
import type { MessageToServer } from "../contract/shell-messages.schema.ts";

/** A running server process, as far as its supervisor needs to know it. */
export interface ServerChild {
  readonly send: (message: MessageToServer) => void;
  /** Ends it at once. */
  readonly kill: () => void;
}

export interface ServerChildListeners {
  /** One line of its standard output. */
  readonly onLine: (line: string) => void;
  readonly onMessage: (message: unknown) => void;
  readonly onExit: () => void;
}

/** Starts one server process. */
export type LaunchServer = (args: readonly string[], listeners: ServerChildListeners) => ServerChild;

/** The server as a utility process of Electron: it ends with the shell, however that ends. */
export function utilityServer(serverFile: string, ownArguments: readonly string[]): LaunchServer {
  return (args, listeners) => {
    const child = utilityProcess.fork(serverFile, [...args, ...ownArguments], { stdio: ["ignore", "pipe", "inherit"], serviceName: "Avatar Studio server" });
    let rest = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(listeners.onLine);
    });
    child.on("message", listeners.onMessage);
    child.once("exit", listeners.onExit);
    return {
      send: (message) => child.postMessage(message),
      kill: () => {
        // `child.kill()` only asks; who calls this has asked before.
        if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
      },
    };
  };
}
