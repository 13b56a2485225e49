const ELLIPSIS = "…";
/** Longer texts are never shown whole in a segment. */
const MOST_CHARACTERS = 400;

/**
 * Shortens texts to a width with an ellipsis. Widths are summed from single characters, measured once each: while zooming,
 * every text is fitted anew in every frame, and measuring whole strings would cost more than drawing them.
 */
export class TextFitter {
  readonly #widths = new Map<string, number>();
  readonly #fitted = new Map<string, string>();
  readonly #measure: (character: string) => number;

  constructor(measure: (character: string) => number) {
    this.#measure = measure;
  }

  /** `text` or its beginning with an ellipsis; empty when not even one character fits. Line breaks become spaces. */
  fit(text: string, width: number): string {
    const rounded = Math.floor(width);
    const key = `${String(rounded)} ${text}`;
    const known = this.#fitted.get(key);
    if (known !== undefined) return known;
    // The cache holds what one screen shows while zooming; a plain reset is as good as anything finer.
    if (this.#fitted.size > 4_000) this.#fitted.clear();
    const result = this.#fit(text, rounded);
    this.#fitted.set(key, result);
    return result;
  }

  #fit(text: string, width: number): string {
    const ellipsis = this.#width(ELLIPSIS);
    let sum = 0;
    let kept = "";
    let keptWithRoom = "";
    let count = 0;
    for (const character of text) {
      const shown = character === "\n" || character === "\t" ? " " : character;
      sum += this.#width(shown);
      count += 1;
      if (sum > width || count > MOST_CHARACTERS) return keptWithRoom === "" ? "" : `${keptWithRoom.trimEnd()}${ELLIPSIS}`;
      kept += shown;
      if (sum <= width - ellipsis) keptWithRoom = kept;
    }
    return kept;
  }

  #width(character: string): number {
    const known = this.#widths.get(character);
    if (known !== undefined) return known;
    const width = this.#measure(character);
    this.#widths.set(character, width);
    return width;
  }
}
