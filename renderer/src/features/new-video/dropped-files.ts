/** Files dropped on the home page, on their way to the New video screen. */
let waiting: readonly File[] = [];

export function rememberDropped(files: readonly File[]): void {
  waiting = files;
}

/** Hands them over once. */
export function takeDropped(): readonly File[] {
  const files = waiting;
  waiting = [];
  return files;
}
