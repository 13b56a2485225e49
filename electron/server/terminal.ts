import { stdin, stderr, stdout } from "node:process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { type Fault } from "../contract/fault.schema.ts";

/** What the server says to somebody who started it in a terminal, and hears from them. */
export const isInteractive = (): boolean => stdin.isTTY && stdout.isTTY;

export function say(text: string): void {
  stdout.write(`${text}\n`);
}

export function sayFault(fault: Fault): void {
  stderr.write(`${fault.what}\n${fault.why}\n${fault.hint}\n[${fault.code}]\n`);
}

export async function askYes(question: string): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stdout });
  try {
    return /^(y|yes|)$/i.test((await lines.question(`${question} [Y/n] `)).trim());
  } finally {
    lines.close();
  }
}

/** A line that is not shown while it is typed. */
export async function askSecret(question: string): Promise<string> {
  stdout.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: isInteractive() });
  try {
    return await lines.question("");
  } finally {
    lines.close();
    stdout.write("\n");
  }
}

/** Calls back each time Enter is pressed. */
export function onEnter(listener: () => void): () => void {
  const lines = createInterface({ input: stdin });
  lines.on("line", listener);
  return () => lines.close();
}
