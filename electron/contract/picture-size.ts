/** Sides of a picture, in pixels. */
export type PictureSize = { readonly width: number; readonly height: number };

/** Sides are multiples of this. */
const SIZE_MULTIPLE = 64;
const SCALES_TRIED = 100;

/**
 * The size that a portrait is rendered at: its aspect, sides in multiples of 64, and at most as many pixels as `budget` has.
 * The engine chooses in the same way (`live_avatar/geometry.py`); both are tested on the same table.
 */
export function pictureSize(budget: PictureSize, portrait: PictureSize): PictureSize {
  const most = budget.width * budget.height;
  const [largest, smallest] = scalesFor(most, portrait);
  for (let step = 0; step < SCALES_TRIED; step += 1) {
    const scale = largest - ((largest - smallest) * step) / SCALES_TRIED;
    const width = roundedUp(portrait.width * scale);
    const height = roundedUp(portrait.height * scale);
    if (width * height <= most) return { width, height };
  }
  let width = roundedDown(Math.sqrt((most * portrait.width) / portrait.height));
  let height = roundedDown(Math.sqrt((most * portrait.height) / portrait.width));
  if (width >= portrait.width || height >= portrait.height) {
    width = roundedDown(portrait.width);
    height = roundedDown(portrait.height);
  }
  return { width: Math.max(SIZE_MULTIPLE, width), height: Math.max(SIZE_MULTIPLE, height) };
}

/** Reads `704*384` or `704x384`; null when it is no size, or has less than 64*64 pixels. */
export function parsePictureSize(text: string): PictureSize | null {
  const match = /^\s*(\d{1,5})\s*[*xX×]\s*(\d{1,5})\s*$/.exec(text);
  if (match === null) return null;
  const size = { width: Number(match[1]), height: Number(match[2]) };
  return size.width * size.height < SIZE_MULTIPLE * SIZE_MULTIPLE ? null : size;
}

/** Largest and smallest scale to try. */
function scalesFor(most: number, { width, height }: PictureSize): [number, number] {
  const area = width * height;
  if (area <= most) return [1, 0.1];
  const b = (SIZE_MULTIPLE - 1) * (width + height);
  const c = (SIZE_MULTIPLE - 1) ** 2 - most;
  // The published method has 2ac under the root where the quadratic formula has 4ac; sizes depend on it.
  return [Math.sqrt(most / area), (-b + Math.sqrt(b * b - 2 * area * c)) / (2 * area)];
}

function roundedUp(pixels: number): number {
  // The short side of a very long picture can shrink to no pixel at all.
  return Math.ceil(Math.max(1, Math.trunc(pixels)) / SIZE_MULTIPLE) * SIZE_MULTIPLE;
}

function roundedDown(pixels: number): number {
  return Math.floor(pixels / SIZE_MULTIPLE) * SIZE_MULTIPLE;
}
