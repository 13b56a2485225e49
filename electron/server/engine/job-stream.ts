import type { Fault } from "../../contract/fault.schema.ts";
import { FaultError } from "../common/fault-error.ts";

/**
 * A queue between the worker's messages and whoever follows one job. The worker is never kept waiting: what nobody has
 * read yet is held here, which is a few short messages a second.
 */
export class JobStream<Update> implements AsyncIterable<Update> {
  readonly #waiting: Update[] = [];
  #end: { readonly fault: Fault | null } | null = null;
  #wake: (() => void) | null = null;

  get ended(): boolean {
    return this.#end !== null;
  }

  push(update: Update): void {
    if (this.#end === null) this.#waiting.push(update);
    this.#wake?.();
  }

  /** No more updates; with a fault, the reader gets it as an error after the updates before it. */
  end(fault: Fault | null): void {
    this.#end ??= { fault };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Update, void> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.#end !== null) {
        if (this.#end.fault !== null) throw new FaultError(this.#end.fault);
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = null;
      }
    }
  }
}
