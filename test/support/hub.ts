import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { repositoryRoot } from "../../build/setup/paths.mjs";

/** A hub of our own, in a process of its own, that holds the demo model as if it were the published one. */
export interface Hub {
  readonly url: string;
  /** Bytes of files sent so far, and how often anything was asked. */
  readonly stats: () => Promise<{ readonly sent: number; readonly requests: number }>;
  readonly stop: () => Promise<void>;
}

/** `faults`: so many answers go wrong. */
export async function startHub(faults: number): Promise<Hub> {
  const program = join(repositoryRoot, "python-runtime", "tests", "hub_server.py");
  const hub = spawn(join(repositoryRoot, ".runtime", "bin", "python3"), [program, "--folder", join(repositoryRoot, "resources", "models", "demo"), "--faults", String(faults), "--seed", "5", "--no_stalls"]);
  const lines = createInterface({ input: hub.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("The hub ended.");
    return value;
  };
  return {
    url: await line(),
    stats: async () => {
      hub.stdin.write("stats\n");
      return JSON.parse(await line()) as { sent: number; requests: number };
    },
    stop: async () => {
      hub.stdin.end();
      await once(hub, "exit");
    },
  };
}
