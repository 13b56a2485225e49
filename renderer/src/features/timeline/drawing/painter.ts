/** One canvas of the timeline. `draw` gets a cleared context in CSS pixels. */
export interface Layer {
  readonly canvas: HTMLCanvasElement;
  /** Top within the scrolled content; layers out of sight are not drawn. Null for those that are always in sight. */
  readonly top: number | null;
  readonly height: number;
  readonly draw: (context: CanvasRenderingContext2D, width: number, height: number) => void;
}

/** Which part of the rows is scrolled into sight. */
export interface Sight {
  readonly top: number;
  readonly bottom: number;
}

/**
 * Draws what was asked for once per screen refresh, however often it was asked. Nothing runs while nothing changes.
 */
export class Painter {
  readonly #layers = new Map<string, Layer>();
  readonly #dirty = new Set<string>();
  readonly #sightOf: () => Sight;
  #width = 0;
  #request = 0;

  constructor(sightOf: () => Sight) {
    this.#sightOf = sightOf;
  }

  /** Adds or replaces a layer. Returns how to remove it. */
  add(key: string, layer: Layer): () => void {
    this.#layers.set(key, layer);
    this.invalidate(key);
    return () => {
      if (this.#layers.get(key) !== layer) return;
      this.#layers.delete(key);
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
    for (const key of this.#layers.keys()) this.invalidate(key);
  }

  dispose(): void {
    cancelAnimationFrame(this.#request);
    this.#layers.clear();
    this.#dirty.clear();
  }

  #paint(): void {
    this.#request = 0;
    if (this.#width <= 0) return;
    const sight = this.#sightOf();
    for (const key of [...this.#dirty]) {
      const layer = this.#layers.get(key);
      // What is out of sight stays dirty until it is scrolled into sight.
      if (layer?.top !== null && layer !== undefined && (layer.top >= sight.bottom || layer.top + layer.height <= sight.top)) continue;
      this.#dirty.delete(key);
      if (layer !== undefined) paintLayer(layer, this.#width);
    }
  }
}

function paintLayer(layer: Layer, width: number): void {
  const ratio = window.devicePixelRatio || 1;
  const { canvas, height } = layer;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  // Setting a size, even the same, throws the canvas' memory away.
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(pixelWidth / width, 0, 0, pixelHeight / height, 0, 0);
  context.clearRect(0, 0, width, height);
  layer.draw(context, width, height);
}
