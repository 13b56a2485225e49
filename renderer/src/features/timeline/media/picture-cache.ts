type Entry =
  | { readonly kind: "loading"; readonly abort: AbortController }
  | { readonly kind: "loaded"; readonly bitmap: ImageBitmap }
  | { readonly kind: "failed"; readonly at: number };

/** Pictures kept at most; each is about 60 kB. */
const MOST_PICTURES = 240;
const MOST_DOWNLOADS = 4;
/** Pictures are asked for once the view has rested this long: while it flies past, none would be there in time. */
const REST_MILLISECONDS = 120;
/** A failed download is tried again when it is wanted and this long ago. */
const RETRY_MILLISECONDS = 5_000;

/**
 * Small pictures by address, loaded only when the timeline rests with them in sight, the longest unused ones dropped.
 * Downloads of what has left the sight are aborted.
 */
export class PictureCache {
  readonly #whenSaved: () => Promise<unknown>;
  readonly #onLoad: () => void;
  /** In order of last use. */
  readonly #entries = new Map<string, Entry>();
  #wanted = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param whenSaved resolves when the server has the document as it is, and with it the files it names */
  constructor(whenSaved: () => Promise<unknown>, onLoad: () => void) {
    this.#whenSaved = whenSaved;
    this.#onLoad = onLoad;
  }

  /** The picture, or null while it is not there; it is then loaded once the view rests. */
  get(address: string): ImageBitmap | null {
    this.#wanted.add(address);
    const entry = this.#entries.get(address);
    if (entry?.kind !== "loaded") {
      if (entry?.kind === "failed" && performance.now() - entry.at > RETRY_MILLISECONDS) this.#entries.delete(address);
      if (!this.#entries.has(address)) this.#loadAfterRest();
      return null;
    }
    this.#entries.delete(address);
    this.#entries.set(address, entry);
    return entry.bitmap;
  }

  /** To be called before each drawing of everything: what is asked for from now on is what is in sight. */
  beginPass(): void {
    this.#wanted = new Set();
    if (this.#timer !== null) this.#loadAfterRest();
  }

  dispose(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const entry of this.#entries.values()) {
      if (entry.kind === "loading") entry.abort.abort();
      if (entry.kind === "loaded") entry.bitmap.close();
    }
    this.#entries.clear();
  }

  #loadAfterRest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      for (const [address, entry] of this.#entries) {
        if (entry.kind === "loading" && !this.#wanted.has(address)) entry.abort.abort();
      }
      this.#loadNext();
    }, REST_MILLISECONDS);
  }

  #loadNext(): void {
    let running = 0;
    for (const entry of this.#entries.values()) if (entry.kind === "loading") running += 1;
    for (const address of this.#wanted) {
      if (running >= MOST_DOWNLOADS) return;
      if (this.#entries.has(address)) continue;
      running += 1;
      void this.#load(address);
    }
  }

  async #load(address: string): Promise<void> {
    const abort = new AbortController();
    this.#entries.set(address, { kind: "loading", abort });
    await this.#whenSaved();
    const entry = await download(address, abort.signal);
    if (entry === null) this.#entries.delete(address);
    else {
      this.#entries.set(address, entry);
      this.#makeRoom();
      this.#onLoad();
    }
    this.#loadNext();
  }

  #makeRoom(): void {
    for (const [address, entry] of [...this.#entries]) {
      if (this.#entries.size <= MOST_PICTURES) return;
      if (entry.kind === "loading" || this.#wanted.has(address)) continue;
      if (entry.kind === "loaded") entry.bitmap.close();
      this.#entries.delete(address);
    }
  }
}

/** Null when it was aborted. Decoding happens off the main thread. */
async function download(address: string, signal: AbortSignal): Promise<Entry | null> {
  try {
    const response = await fetch(address, { signal });
    if (!response.ok) return { kind: "failed", at: performance.now() };
    const bitmap = await createImageBitmap(await response.blob());
    if (!signal.aborted) return { kind: "loaded", bitmap };
    bitmap.close();
    return null;
  } catch {
    return signal.aborted ? null : { kind: "failed", at: performance.now() };
  }
}
