/**
 * One line that says what the set-up does and how far it is: redrawn on a terminal, one line a step elsewhere.
 */
export class Progress {
  #stream;
  #interactive;
  #step = "";

  /** @param {NodeJS.WriteStream} stream */
  constructor(stream = process.stderr) {
    this.#stream = stream;
    this.#interactive = Boolean(stream.isTTY);
  }

  /**
   * A new step begins.
   * @param {string} text
   */
  step(text) {
    this.#step = text;
    if (this.#interactive) this.#draw(text);
    else this.#stream.write(`Set-up: ${text}\n`);
  }

  /**
   * How far the current step is; shown on a terminal only.
   * @param {string} text
   */
  detail(text) {
    if (this.#interactive) this.#draw(`${this.#step}: ${text}`);
  }

  /**
   * The last word; stays on the screen.
   * @param {string} text
   */
  done(text) {
    if (this.#interactive) this.#draw(text);
    this.#stream.write(this.#interactive ? "\n" : `Set-up: ${text}\n`);
  }

  /**
   * Something the reader should know; the line goes on below it.
   * @param {string} text
   */
  note(text) {
    this.#stream.write(this.#interactive ? `\r\x1b[KSet-up: ${text}\n` : `Set-up: ${text}\n`);
  }

  /** @param {string} text */
  #draw(text) {
    const line = `Set-up: ${text}`.slice(0, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(`\r\x1b[K${line}`);
  }
}
