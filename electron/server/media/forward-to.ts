import { once } from "node:events";
import type { Writable } from "node:stream";

/**
 * Writes `chunks` to a program's input as fast as it takes them, and ends it. Resolves early when the program closes its
 * input: it has read enough or has ended, which its exit status tells. Rejects when `chunks` throws.
 */
export async function forwardTo(target: Writable, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    target.once("close", resolve);
    target.once("error", () => resolve());
  });
  try {
    for await (const chunk of chunks) {
      if (target.destroyed || !target.writable) return;
      if (!target.write(chunk)) await Promise.race([once(target, "drain").catch(() => undefined), closed]);
    }
  } finally {
    if (target.writable) target.end();
  }
}
