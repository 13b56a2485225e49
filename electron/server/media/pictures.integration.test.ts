import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { PEAK_LEVELS } from "../../contract/peaks.ts";
import { silentLogger } from "../common/logger.ts";
import { renderedTake } from "./clips-test-support.ts";
import { createMedia, type Media } from "./media.ts";
import { ffprobe, python, recording, samplesOfFunction, temporaryFolder, testFfmpeg } from "./media-test-support.ts";
import { draftPeaks } from "./peaks.ts";
import { fittedSize } from "./pictures.ts";

function studio(): { readonly media: Media; readonly folder: string; readonly fallback: string } {
  const folder = temporaryFolder();
  const fallback = temporaryFolder();
  const [media, close] = createMedia({ locateFfmpeg: async () => (await testFfmpeg.about()).path, cacheFolder: fallback, logger: silentLogger });
  onTestFinished(close);
  return { media, folder, fallback };
}

/** Four quarters of different colours, so that every way to turn it can be told; saved with the orientation that undoes the turning. */
const QUARTERS = `
import sys
from PIL import Image
path, orientation, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
upright = Image.new("RGB", (200, 120))
for box, colour in (((0, 0, 100, 60), (200, 30, 30)), ((100, 0, 200, 60), (30, 200, 30)), ((0, 60, 100, 120), (30, 30, 200)), ((100, 60, 200, 120), (220, 220, 60))):
    upright.paste(colour, box)
T = Image.Transpose
stored = {1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}[orientation]
picture = upright if stored is None else upright.transpose(stored)
exif = Image.Exif()
exif[0x0112] = orientation
extra = {"quality": 95} if not path.endswith(".png") else {}
if mode == "clear":
    picture = picture.convert("RGBA")
    picture.putalpha(0)
elif mode != "RGB":
    picture = picture.convert(mode)
picture.save(path, exif=exif.tobytes(), **extra)
`;
/** Colours of the quarters as another library shows them, EXIF applied: what a browser does. */
const LOOK = `
import sys
from PIL import Image, ImageOps
picture = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
w, h = picture.size
print(w, h, *[value for place in ((w // 4, h // 4), (3 * w // 4, h // 4), (w // 4, 3 * h // 4), (3 * w // 4, 3 * h // 4)) for value in picture.getpixel(place)])
`;
const look = (path: string): number[] => python(LOOK, path).trim().split(" ").map(Number);

describe("pictures", () => {
  test.each(["a.jpg", "a.png", "a.webp"])("%s is upright in its colours, whichever way it is stored", async (name) => {
    const { media, folder } = studio();
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const path = join(folder, `${String(orientation)}${name}`);
      python(QUARTERS, path, String(orientation), "RGB");
      const made = look(await media.picture(folder, { path, sha256: `${String(orientation)}${name}` }, 120));
      expect(made.slice(0, 2)).toEqual([200, 120]);
      const wanted = look(path);
      made.forEach((value, index) => expect(Math.abs(value - (wanted[index] ?? 0)), `orientation ${String(orientation)}: ${String(made)}`).toBeLessThanOrEqual(6));
    }
  });

  test("print colours are near what another library shows; what is clear becomes grey", async () => {
    const { media, folder } = studio();
    python(QUARTERS, join(folder, "cmyk.jpg"), "6", "CMYK");
    const wanted = look(join(folder, "cmyk.jpg"));
    look(await media.picture(folder, { path: join(folder, "cmyk.jpg"), sha256: "c" }, 120)).forEach((value, index) => expect(Math.abs(value - (wanted[index] ?? 0))).toBeLessThanOrEqual(10));
    python(QUARTERS, join(folder, "clear.png"), "1", "clear");
    for (const value of look(await media.picture(folder, { path: join(folder, "clear.png"), sha256: "d" }, 120)).slice(2)) expect(Math.abs(value - 128)).toBeLessThanOrEqual(3);
  });

  test("made once however many ask, never larger than the original, other sizes beside it", async () => {
    const { media, folder } = studio();
    const path = join(folder, "a.png");
    python(QUARTERS, path, "1", "RGB");
    const made = await Promise.all(Array.from({ length: 20 }, () => media.picture(folder, { path, sha256: "aa" }, 360)));
    expect(new Set(made).size).toBe(1);
    expect(look(made[0] ?? "").slice(0, 2)).toEqual([200, 120]);
    await media.picture(folder, { path, sha256: "aa" }, 120);
    expect(readdirSync(join(folder, "cache", "pictures")).sort()).toEqual(["aa.120.jpg", "aa.360.jpg"]);
    await expect(media.picture(folder, { path: join(folder, "gone.png"), sha256: "gone" }, 120)).rejects.toMatchObject({ code: "ENOENT" });
    writeFileSync(path, "not a picture any more");
    await expect(media.picture(folder, { path, sha256: "bb" }, 120)).rejects.toMatchObject({ fault: { code: "PICTURE_UNREADABLE" } });
  });

  test("extreme shapes keep a pixel each way", () => {
    expect(fittedSize({ width: 64, height: 1_500_000 }, 120)).toEqual({ width: 1, height: 120 });
    expect(fittedSize({ width: 1_500_000, height: 64 }, 1080)).toEqual({ width: 8192, height: 1 });
  });

  test("a cache that is a link out of the project is not used", async () => {
    const { media, folder, fallback } = studio();
    const elsewhere = temporaryFolder();
    symlinkSync(elsewhere, join(folder, "cache"));
    python(QUARTERS, join(folder, "a.png"), "1", "RGB");
    expect((await media.picture(folder, { path: join(folder, "a.png"), sha256: "aa" }, 120)).startsWith(fallback)).toBe(true);
    expect(readdirSync(elsewhere)).toEqual([]);
  });
});

describe("thumbnails of clips", () => {
  test("are the clip's picture that is asked for, 90 pixels high", async () => {
    const { media, folder } = studio();
    const take = await renderedTake(folder, { start: 0, frames: 96, width: 192, height: 128 });
    const clip = { initPath: take.initPath, clipPath: take.clips[1]?.path ?? "", contentHash: "../hash" };
    const path = await media.thumbnail(folder, clip, 0);
    expect(ffprobe(path).streams).toMatchObject([{ codec_name: "mjpeg", height: 90, width: 136 }]);
    expect(path).toBe(join(folder, "cache", "thumbnails", "___hash.jpg"));
    // Frame 48: its left half is 20 + 5 * 8, its right half 20 + 5 * 1, in the narrow range of video.
    const [, , left, , , right] = look(path);
    expect(Math.abs((left ?? 0) - 60)).toBeLessThanOrEqual(5);
    expect(Math.abs((right ?? 0) - 25)).toBeLessThanOrEqual(5);
    // Frame 78, which is 38 and 1 times 40.
    const later = await media.thumbnail(folder, clip, 30);
    expect(later).toBe(join(folder, "cache", "thumbnails", "___hash-30.jpg"));
    expect(Math.abs((look(later)[2] ?? 0) - (20 + 5 * 38))).toBeLessThanOrEqual(5);
    await expect(media.thumbnail(folder, clip, 48)).rejects.toMatchObject({ fault: { code: "CLIP_UNREADABLE" } });
    expect(readdirSync(join(folder, "cache", "thumbnails"))).toHaveLength(2);
  });

  test("a damaged clip is refused in words and leaves nothing", async () => {
    const { media, folder } = studio();
    const take = await renderedTake(folder, { start: 0, frames: 48 });
    const clipPath = join(folder, "broken.m4s");
    writeFileSync(clipPath, readFileSync(take.clips[0]?.path ?? "").subarray(0, 200));
    await expect(media.thumbnail(folder, { initPath: take.initPath, clipPath, contentHash: "h" }, 0)).rejects.toMatchObject({ fault: { code: "CLIP_UNREADABLE" } });
    expect(readdirSync(join(folder, "cache", "thumbnails"))).toEqual([]);
  });
});

describe("peaks", () => {
  const readPairs = (path: string): Int8Array => new Int8Array(readFileSync(path));

  test("each level has its pairs, and the loudest is where it is", async () => {
    const { media, folder } = studio();
    const rate = 44_100;
    const path = await recording(join(folder, "a.wav"), samplesOfFunction(rate * 3, 2, (frame, channel) => (frame === 2 * rate && channel === 1 ? -0.5 : frame < rate ? 0.25 * Math.sin(frame / 10) : 0)), rate, 2);
    const source = { path, sha256: "aa", samples: rate * 3, sampleRate: rate };
    for (const [level, samples] of PEAK_LEVELS.entries()) {
      const answer = await media.peaks(folder, source, level);
      if (answer.kind !== "exact") throw new Error("A draft of a short recording");
      const pairs = readPairs(answer.path);
      expect(pairs.length).toBe(2 * Math.ceil((3 * 8000) / samples));
      expect(pairs[2 * Math.floor((2 * 8000) / samples)]).toBe(Math.round(-0.5 * 127));
      expect(Math.max(...pairs)).toBe(Math.round(0.25 * 127));
    }
  });

  test("are there at once after the file was described, also under its new name", async () => {
    const { media, folder } = studio();
    const path = await recording(join(folder, "a.wav"), samplesOfFunction(48_000, 1, (frame) => Math.sin(frame / 20)), 48_000, 1);
    await media.probe(path);
    const { renameSync } = await import("node:fs");
    renameSync(path, join(folder, "b.wav"));
    // No ffmpeg is needed any more.
    writeFileSync(join(folder, "unused"), "");
    const answer = await media.peaks(folder, { path: join(folder, "b.wav"), sha256: "bb", samples: 48_000, sampleRate: 48_000 }, 0);
    expect(answer.kind === "exact" ? readPairs(answer.path).length : 0).toBe(2 * 400);
  });

  test("a draft of a long recording has the shape of the exact peaks", async () => {
    const { folder } = studio();
    const rate = 16_000;
    const loudness = (frame: number): number => (Math.floor(frame / rate / 30) % 2 === 0 ? 0.8 : 0.1);
    const path = await recording(join(folder, "long.mp3"), samplesOfFunction(rate * 700, 1, (frame) => loudness(frame) * Math.sin(frame / 7)), rate, 1);
    const draft = new Int8Array(await draftPeaks(testFfmpeg, { path, sha256: "cc", samples: rate * 700, sampleRate: rate }, undefined));
    expect(draft.length).toBe(2 * Math.ceil((700 * 8000) / 5_120));
    const right = [...draft.entries()].filter(([index, value]) => {
      if (index % 2 === 0) return true;
      const second = (((index - 1) / 2) * 5_120) / 8_000;
      return value / 127 > 0.35 === loudness(second * rate) > 0.35;
    });
    expect(right.length / draft.length).toBeGreaterThan(0.95);
  });

  test("of a long recording that nobody described, first the draft, then the exact ones", async () => {
    mkdirSync(temporaryFolder(), { recursive: true });
    const { media, folder } = studio();
    const path = await recording(join(folder, "long.mp3"), samplesOfFunction(8_000 * 900, 1, (frame) => 0.5 * Math.sin(frame / 7)), 8_000, 1);
    const source = { path, sha256: "dd", samples: 8_000 * 900, sampleRate: 8_000 };
    const first = await media.peaks(folder, source, 4);
    // Who asks again waits for the exact ones, instead of getting one draft after the other.
    const again = await media.peaks(folder, source, 4);
    if (first.kind !== "draft" || again.kind !== "exact") throw new Error(`First ${first.kind}, then ${again.kind}`);
    expect(first.bytes.length).toBe(readFileSync(again.path).length);
    expect((await media.peaks(folder, source, 0)).kind).toBe("exact");
  });
});
