/** A picture of a strip: where it begins, in pixels from the left, and which frame of the clip it shows. */
export interface StripPicture {
  readonly offset: number;
  readonly frame: number;
}

/** Different frames that a strip shows at most: each is a picture to be made and kept. */
const MOST_FRAMES = 4;

export const FIRST_PICTURE: StripPicture = { offset: 0, frame: 0 };

/** Pictures of `width` pixels that fill `room`, the last one cut off; each shows the clip of so many frames about where it stands. */
export function filmstrip(room: number, width: number, frames: number): readonly StripPicture[] {
  if (!(width > 0)) return [FIRST_PICTURE];
  return Array.from({ length: Math.max(1, Math.ceil(room / width)) }, (_, index) => {
    const offset = index * width;
    const part = Math.min(MOST_FRAMES - 1, Math.floor((MOST_FRAMES * offset) / Math.max(room, 1)));
    return { offset, frame: Math.floor((part * frames) / MOST_FRAMES) };
  });
}
