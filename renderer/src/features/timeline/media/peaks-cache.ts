import { peaksAddress } from "../../../../../electron/contract/addresses.ts";
import { PEAKS_DRAFT_TYPE } from "../../../../../electron/contract/peaks.ts";
import { levelsToTry } from "../geometry/peak-columns.ts";

/** A level of one recording, as it is drawn. */
export interface LoadedPeaks {
  readonly level: number;
  readonly pairs: Int8Array;
}

type Entry = { readonly abort: AbortController } & (
  | { readonly kind: "loading" }
  /** A draft is shown until the exact peaks, which are on their way, take its place. */
  | { readonly kind: "loaded"; readonly pairs: Int8Array; readonly draft: boolean }
  | { readonly kind: "failed"; readonly at: number }
);

/** All levels of about twenty hours of sound. */
const MOST_BYTES = 64 * 1024 * 1024;
/** A failed download is tried again when it is wanted and this long ago. */
const RETRY_MILLISECONDS = 5_000;
/** The overview, which every zoom can fall back on. */
const COARSEST = 4;

/** Waveforms as the server made them: loaded by level when first wanted, the longest unused ones dropped. */
export class PeaksCache {
  readonly #projectId: string;
  readonly #whenSaved: () => Promise<unknown>;
  readonly #onLoad: (mediaId: string) => void;
  /** In order of last use. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** @param whenSaved resolves when the server has the document as it is, and with it the files it names */
  constructor(projectId: string, whenSaved: () => Promise<unknown>, onLoad: (mediaId: string) => void) {
    this.#projectId = projectId;
    this.#whenSaved = whenSaved;
    this.#onLoad = onLoad;
  }

  /** What can be drawn of `mediaId` now. Starts loading the wanted level, and first of all the overview. */
  best(mediaId: string, wanted: number): LoadedPeaks | null {
    this.#want(mediaId, COARSEST);
    this.#want(mediaId, wanted);
    for (const level of levelsToTry(wanted)) {
      const key = keyOf(mediaId, level);
      const entry = this.#entries.get(key);
      if (entry?.kind !== "loaded") continue;
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      return { level, pairs: entry.pairs };
    }
    return null;
  }

  /** True once nothing could be loaded: the segment then says so instead of waiting for ever. */
  hasFailed(mediaId: string): boolean {
    return this.#entries.get(keyOf(mediaId, COARSEST))?.kind === "failed";
  }

  /** Drops a recording whose file was found again or replaced. */
  forget(mediaId: string): void {
    for (const [key, entry] of [...this.#entries]) {
      if (!key.startsWith(`${mediaId}/`)) continue;
      entry.abort.abort();
      this.#remove(key);
    }
  }

  dispose(): void {
    for (const entry of this.#entries.values()) entry.abort.abort();
    this.#entries.clear();
    this.#bytes = 0;
  }

  #want(mediaId: string, level: number): void {
    const key = keyOf(mediaId, level);
    const entry = this.#entries.get(key);
    if (entry !== undefined && (entry.kind !== "failed" || performance.now() - entry.at < RETRY_MILLISECONDS)) return;
    const abort = new AbortController();
    this.#entries.set(key, { kind: "loading", abort });
    void this.#load(mediaId, level, abort);
  }

  async #load(mediaId: string, level: number, abort: AbortController): Promise<void> {
    const key = keyOf(mediaId, level);
    await this.#whenSaved();
    for (let draft = true; draft; ) {
      const entry = await download(peaksAddress(this.#projectId, mediaId, level), abort);
      // Forgotten meanwhile, or asked for anew: this answer belongs to nobody.
      if (entry === null || this.#entries.get(key)?.abort !== abort) return;
      this.#remove(key);
      this.#entries.set(key, entry);
      if (entry.kind === "loaded") {
        this.#bytes += entry.pairs.byteLength;
        this.#makeRoom(key);
      }
      this.#onLoad(mediaId);
      draft = entry.kind === "loaded" && entry.draft;
    }
  }

  #makeRoom(newest: string): void {
    for (const [key, entry] of [...this.#entries]) {
      if (this.#bytes <= MOST_BYTES) return;
      if (entry.kind === "loaded" && key !== newest) this.#remove(key);
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry?.kind === "loaded") this.#bytes -= entry.pairs.byteLength;
    this.#entries.delete(key);
  }
}

const keyOf = (mediaId: string, level: number): string => `${mediaId}/${String(level)}`;

/** Null when it was aborted. */
async function download(address: string, abort: AbortController): Promise<Entry | null> {
  try {
    const response = await fetch(address, { signal: abort.signal });
    if (!response.ok) return { kind: "failed", abort, at: performance.now() };
    return { kind: "loaded", abort, pairs: new Int8Array(await response.arrayBuffer()), draft: response.headers.get("content-type") === PEAKS_DRAFT_TYPE };
  } catch {
    return abort.signal.aborted ? null : { kind: "failed", abort, at: performance.now() };
  }
}
