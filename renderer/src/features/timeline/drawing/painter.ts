/** One canvas of the timeline. `draw` covers all of it, in CSS pixels. */
export interface Layer<Scene> {
  readonly canvas: HTMLCanvasElement;
  /** Top within the scrolled content; layers out of sight are not drawn. Null for those that are always in sight. */
  readonly top: number | null;
  readonly height: number;
  readonly draw: (context: CanvasRenderingContext2D, scene: Scene, width: number, height: number) => void;
}

/** Which part of the rows is scrolled into sight. */
export interface Sight {
  readonly top: number;
  readonly bottom: number;
}

interface Known<Scene> {
  readonly layer: Layer<Scene>;
  readonly context: CanvasRenderingContext2D | null;
}

/**
 * Draws what was asked for once per screen refresh, however often it was asked. Nothing runs while nothing changes.
 */
export class Painter<Scene> {
  readonly #known = new Map<string, Known<Scene>>();
  readonly #dirty = new Set<string>();
  readonly #sightOf: () => Sight;
  readonly #sceneNow: () => Scene;
  #width = 0;
  #request = 0;

  /** @param sceneNow what to draw; asked once for all layers of a screen refresh */
  constructor(sightOf: () => Sight, sceneNow: () => Scene) {
    this.#sightOf = sightOf;
    this.#sceneNow = sceneNow;
  }

  /** Adds or replaces a layer. Returns how to remove it. */
  add(key: string, layer: Layer<Scene>): () => void {
    // Without transparency nothing has to be cleared, and nothing below is mixed in.
    this.#known.set(key, { layer, context: layer.canvas.getContext("2d", { alpha: false }) });
    this.invalidate(key);
    return () => {
      if (this.#known.get(key)?.layer !== layer) return;
      this.#known.delete(key);
      this.#dirty.delete(key);
    };
  }

  setWidth(width: number): void {
    if (width === this.#width) return;
    this.#width = width;
    this.invalidateAll();
  }

  invalidate(key: string): void {
    this.#dirty.add(key);
    this.#request ||= requestAnimationFrame(() => this.#paint());
  }

  invalidateAll(): void {
    for (const key of this.#known.keys()) this.invalidate(key);
  }

  dispose(): void {
    cancelAnimationFrame(this.#request);
    this.#known.clear();
    this.#dirty.clear();
  }

  #paint(): void {
    this.#request = 0;
    if (this.#width <= 0) return;
    const sight = this.#sightOf();
    const scene = this.#sceneNow();
    for (const key of [...this.#dirty]) {
      const known = this.#known.get(key);
      // What is out of sight stays dirty until it is scrolled into sight.
      if (known !== undefined && !isInSight(known.layer, sight)) continue;
      this.#dirty.delete(key);
      if (known !== undefined) paint(known, scene, this.#width);
    }
  }
}

function isInSight({ top, height }: Layer<never>, sight: Sight): boolean {
  return top === null || (top < sight.bottom && top + height > sight.top);
}

function paint<Scene>({ layer, context }: Known<Scene>, scene: Scene, width: number): void {
  if (context === null) return;
  const ratio = window.devicePixelRatio || 1;
  const { canvas, height } = layer;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  // Setting a size, even the same, throws the canvas' memory away.
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  context.setTransform(pixelWidth / width, 0, 0, pixelHeight / height, 0, 0);
  layer.draw(context, scene, width, height);
}
