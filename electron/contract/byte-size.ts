/** Units of a thousand everywhere: server, page and engine say the same number for the same bytes, and it is that of most file managers and of disks. */
export const MEGABYTE = 1e6;
export const GIGABYTE = 1e9;

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A number of bytes in the unit that suits it. */
export interface ByteSize {
  readonly value: number;
  readonly unit: (typeof UNITS)[number];
  /** Decimals worth showing. */
  readonly fractionDigits: 0 | 1;
}

export function byteSize(bytes: number): ByteSize {
  let value = Math.max(0, bytes);
  let step = 0;
  // What would be rounded to 1000 is 1 of the next unit.
  while (value >= 999.5 && step < UNITS.length - 1) {
    value /= 1000;
    step += 1;
  }
  return { value, unit: UNITS[step] ?? "TB", fractionDigits: step >= 2 && value < 99.95 ? 1 : 0 };
}

/** For sentences in English: `1.4 GB`, `24 GB`, `3.1 MB`. */
export function bytesText(bytes: number): string {
  const { value, unit, fractionDigits } = byteSize(bytes);
  return `${value.toFixed(fractionDigits).replace(/\.0$/, "")} ${unit}`;
}
