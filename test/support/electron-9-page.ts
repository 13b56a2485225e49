/*
 * What the page uses and Chromium 83 lacks, in the plainest form that lets the page run there: the shell's tests need a page
 * that works, not one that is fast. Added by the build for Electron 9 alone.
 */

type Anything = Record<string, unknown>;

/** Adds `values` to `target` where it has none of that name. */
function add(target: object, values: Anything): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(name in target)) Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
}

function at(this: ArrayLike<unknown>, index: number): unknown {
  return this[index < 0 ? this.length + index : index];
}

add(Object, { hasOwn: (value: object, name: PropertyKey) => Object.prototype.hasOwnProperty.call(value, name) });

add(Array.prototype, {
  at,
  findLast(this: unknown[], matches: (item: unknown) => boolean) {
    return this.slice().reverse().find(matches);
  },
  findLastIndex(this: unknown[], matches: (item: unknown, index: number) => boolean) {
    for (let index = this.length - 1; index >= 0; index -= 1) if (matches(this[index], index)) return index;
    return -1;
  },
  toSorted(this: unknown[], compare?: (one: unknown, other: unknown) => number) {
    return this.slice().sort(compare);
  },
  toReversed(this: unknown[]) {
    return this.slice().reverse();
  },
  toSpliced(this: unknown[], start: number, count: number, ...items: unknown[]) {
    const copy = this.slice();
    copy.splice(start, count, ...items);
    return copy;
  },
  with(this: unknown[], index: number, value: unknown) {
    const copy = this.slice();
    copy[index] = value;
    return copy;
  },
});

add(String.prototype, {
  at,
  replaceAll(this: string, from: string | RegExp, to: string) {
    return typeof from === "string" ? this.split(from).join(to) : this.replace(from, to);
  },
});

add(Element.prototype, {
  replaceChildren(this: Element, ...nodes: (Node | string)[]) {
    this.textContent = "";
    this.append(...nodes);
  },
});

add(globalThis, {
  structuredClone: (value: unknown): unknown => JSON.parse(JSON.stringify(value)),
  WeakRef: class {
    readonly #target: object;
    constructor(target: object) {
      this.#target = target;
    }
    deref(): object {
      return this.#target;
    }
  },
});

add(crypto, { randomUUID: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-") });

function abortedAfter(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

add(AbortSignal, {
  timeout: abortedAfter,
  any: (signals: readonly AbortSignal[]) => {
    const controller = new AbortController();
    for (const signal of signals) signal.addEventListener("abort", () => controller.abort());
    return controller.signal;
  },
});
