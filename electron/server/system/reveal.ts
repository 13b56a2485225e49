import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FaultError } from "../common/fault-error.ts";

/** Shows a file or folder in the system's file manager. Throws NOT_THERE or REVEAL_FAILED. */
export async function reveal(path: string): Promise<void> {
  const facts = await stat(path).catch(() => null);
  if (facts === null) throw new FaultError({ code: "NOT_THERE", what: "The file cannot be shown.", why: "It is not there any more.", hint: "Look in the wastebasket, or make it anew." });
  const [command, args] = revealCommand(process.platform, path, facts.isDirectory());
  await new Promise<void>((resolve, reject) => {
    const child = spawn(command, args, { stdio: "ignore", detached: true, windowsHide: false });
    child.once("spawn", () => {
      child.unref();
      resolve();
    });
    child.once("error", (error) => reject(new FaultError({ code: "REVEAL_FAILED", what: "The file manager did not open.", why: "The system has no command for it.", hint: "Open the folder yourself." }, { cause: error })));
  });
}

/** The command of each platform; its own file managers select the file, elsewhere its folder opens. */
export function revealCommand(platform: NodeJS.Platform, path: string, isFolder: boolean): readonly [string, string[]] {
  if (platform === "darwin") return ["open", isFolder ? [path] : ["-R", path]];
  if (platform === "win32") return ["explorer.exe", isFolder ? [path] : [`/select,${path}`]];
  return ["xdg-open", [isFolder ? path : dirname(path)]];
}
