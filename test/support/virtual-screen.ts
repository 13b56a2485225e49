import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { findProgram } from "../../build/setup/programs.mjs";

export interface VirtualScreen {
  /** Value of DISPLAY, such as `:99`. */
  readonly display: string;
  readonly close: () => Promise<void>;
}

/** A screen in memory, for windows on a machine without one. */
export async function openVirtualScreen(): Promise<VirtualScreen> {
  const program = findProgram("Xvfb");
  if (program === null) throw new Error("Xvfb is missing: `npm test` installs it.");
  // It takes a free number by itself and writes it to file descriptor 3 when it is ready.
  const server = spawn(program, ["-displayfd", "3", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const ended = once(server, "exit");
  const number = await Promise.race([once(server.stdio[3] as Readable, "data"), ended.then(() => null)]);
  if (number === null) throw new Error("Xvfb did not start.");
  return {
    display: `:${String(number[0]).trim()}`,
    close: async () => {
      server.kill();
      await ended;
    },
  };
}
