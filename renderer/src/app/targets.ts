import type { FileTarget } from "../../../electron/contract/rpc.ts";
import type { SaveRequest } from "../../../electron/contract/shell.ts";
import { shell } from "./shell.ts";

/** Where a new file goes: the system's dialog asks in the desktop program, a browser downloads. Null when the user thinks better of it. */
export async function chooseTarget(request: SaveRequest): Promise<FileTarget | null> {
  if (shell === null) return { kind: "download" };
  const chosen = await shell.chooseTarget(request);
  return chosen === null ? null : { kind: "handle", handle: chosen.handle };
}

/** Lets the browser save what is at an address of the studio. */
export function download(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}
