import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AudioPiece } from "../../contract/document/take-sound.ts";
import { silentLogger } from "../common/logger.ts";
import { decoded, ffprobe, level, recording, samplesOfFunction, temporaryFolder, testFfmpeg } from "./media-test-support.ts";
import { type MixPlan, placePieces, samplesOf } from "./mix-plan.ts";
import { mixChunks, virtualWav, writeMixAsWav } from "./mixer.ts";
import { createSoundStore, type SoundSource, type SoundStore } from "./sound-store.ts";
import { WAV_HEADER_BYTES, wavHeader } from "./wav-header.ts";

const RATE = 48_000;

interface Studio {
  readonly folder: string;
  readonly cache: string;
  readonly store: SoundStore;
  readonly sources: Map<string, SoundSource>;
}

function studio(maximumBytes = 1e9): Studio {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const store = createSoundStore({ ffmpeg: testFfmpeg, folder: cache, maximumBytes, logger: silentLogger });
  onTestFinished(() => store.close());
  return { folder, cache, store, sources: new Map() };
}

async function add(to: Studio, mediaId: string, samples: Float32Array, rate: number, channels: number, ending = "wav", ...options: string[]): Promise<void> {
  const path = await recording(join(to.folder, `${mediaId}.${ending}`), samples, rate, channels, ...options);
  to.sources.set(mediaId, { path, name: mediaId, samples: samples.length / channels, sampleRate: rate, channels });
}

const piece = (mediaId: string, start: number, duration: number, more: Partial<AudioPiece> = {}): AudioPiece => ({
  trackId: "t",
  mediaId,
  sha256: "",
  start,
  duration,
  sourceStart: 0,
  gainDecibels: 0,
  fadeIn: { frames: 0, outside: 0 },
  fadeOut: { frames: 0, outside: 0 },
  ...more,
});
const plan = (from: Studio, frames: number, ...pieces: AudioPiece[]): MixPlan => placePieces(pieces, frames, (id) => from.sources.get(id) ?? null);

async function mixed(from: Studio, of: MixPlan, start = 0, end = of.samples): Promise<Float32Array> {
  const parts: number[] = [];
  for await (const chunk of mixChunks(from.store, of, { start, end })) for (const value of chunk) parts.push(value);
  return Float32Array.from(parts);
}
const left = (samples: Float32Array): Float32Array => samples.filter((_, index) => index % 2 === 0);
const sine = (hertz: number, rate: number, amplitude: number) => (frame: number) => amplitude * Math.sin((2 * Math.PI * hertz * frame) / rate);

/** Frames (samples per channel) at which the left channel is not silent. */
function soundingAt(samples: Float32Array): number[] {
  return [...left(samples).entries()].flatMap(([index, value]) => (Math.abs(value) > 1e-6 ? [index] : []));
}

describe("places", () => {
  test.each(["wav", "flac"])("an impulse stays at its exact sample (%s)", async (ending) => {
    const here = studio();
    const at = 12_345;
    await add(here, "a", samplesOfFunction(RATE * 2, 1, (frame) => (frame === at ? 0.5 : 0)), RATE, 1, ending, ...(ending === "flac" ? ["-sample_fmt", "s32"] : []));
    // On the timeline from frame 7, beginning at sample 5,000 of the file.
    const mix = await mixed(here, plan(here, 50, piece("a", 7, 25, { sourceStart: 5_000 })));
    expect(mix.length).toBe(2 * samplesOf(50));
    expect(soundingAt(mix)).toEqual([7 * 1920 + at - 5_000]);
    expect(left(mix)[7 * 1920 + at - 5_000]).toBeCloseTo(0.5, 4);
  });

  test.each([16_000, 24_000, 44_100])("at %i samples a second it is at the same time", async (rate) => {
    const here = studio();
    const at = rate / 4;
    await add(here, "a", samplesOfFunction(rate, 1, (frame) => (frame === at ? 0.9 : 0)), rate, 1);
    const one = left(await mixed(here, plan(here, 25, piece("a", 0, 25))));
    const loudest = one.reduce((best, value, index) => (Math.abs(value) > Math.abs(one[best] ?? 0) ? index : best), 0);
    expect(loudest).toBe(RATE / 4);
  });

  test("split pieces sound like the whole", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(44_100 * 2, 2, (frame, channel) => sine(300 + 200 * channel, 44_100, 0.4)(frame)), 44_100, 2);
    const whole = await mixed(here, plan(here, 50, piece("a", 0, 50, { sourceStart: 777 })));
    const pieces = [0, 13, 14, 37].map((start, index, starts) => piece("a", start, (starts[index + 1] ?? 50) - start, { sourceStart: 777 + start * 1764 }));
    expect(await mixed(here, plan(here, 50, ...pieces))).toEqual(whole);
  });

  test("a compressed file lies where its decoder puts it, whichever piece of it is used", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 20, 1, (frame) => (frame % 9_600 === 4_800 ? 0.8 : 0)), RATE, 1, "mp3", "-b:a", "192k");
    const file = await decoded(here.sources.get("a")?.path ?? "");
    const mix = left(await mixed(here, plan(here, 10, piece("a", 0, 10, { sourceStart: 700_001 }))));
    expect(mix.every((value, index) => Math.abs(value - (file[700_001 + index] ?? 0)) < 1e-6)).toBe(true);
    expect(level(mix)).toBeGreaterThan(0.001);
  });

  test("beyond the end of a recording is silence; so is a recording that is not there", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(1_000, 1, () => 0.25), RATE, 1);
    const mix = await mixed(here, plan(here, 3, piece("a", 0, 2), piece("gone", 1, 2)));
    expect(soundingAt(mix)).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  test("any span gives the samples of the whole", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 3, 1, sine(441, RATE, 0.3)), RATE, 1);
    await add(here, "b", samplesOfFunction(RATE * 3, 2, sine(1000, RATE, 0.2)), RATE, 2);
    const of = plan(here, 75, piece("a", 3, 40, { fadeIn: { frames: 10, outside: 0 } }), piece("b", 20, 50, { fadeOut: { frames: 30, outside: 2 }, gainDecibels: -3 }));
    const whole = await mixed(here, of);
    for (const [start, end] of [[0, 1], [47_999, 48_001], [5_761, 100_003], [0, of.samples]] as const) {
      expect(await mixed(here, of, start, end)).toEqual(whole.slice(2 * start, 2 * end));
    }
  });
});

describe("levels", () => {
  test("gain in decibels, mono on both channels, several tracks added", async () => {
    const here = studio();
    await add(here, "mono", samplesOfFunction(RATE, 1, sine(1000, RATE, 0.5)), RATE, 1);
    await add(here, "stereo", samplesOfFunction(RATE, 2, (frame, channel) => (channel === 0 ? sine(1000, RATE, 0.5)(frame) : 0)), RATE, 2);
    const one = await mixed(here, plan(here, 25, piece("mono", 0, 25, { gainDecibels: -6.0206 })));
    expect(level(one)).toBeCloseTo(0.25 / Math.SQRT2, 5);
    expect(one.filter((_, index) => index % 2 === 1)).toEqual(left(one));
    const two = await mixed(here, plan(here, 25, piece("mono", 0, 25), piece("stereo", 0, 25, { trackId: "u" })));
    expect(level(left(two))).toBeCloseTo(1 / Math.SQRT2, 4);
    expect(level(two.filter((_, index) => index % 2 === 1))).toBeCloseTo(0.5 / Math.SQRT2, 4);
  });

  test("fades are straight lines, also where a part of them lies outside", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 4, 1, () => 0.8), RATE, 1);
    const whole = left(await mixed(here, plan(here, 60, piece("a", 0, 60, { fadeIn: { frames: 20, outside: 0 }, fadeOut: { frames: 10, outside: 0 } }))));
    expect(whole[0]).toBe(0);
    expect(whole[10 * 1920]).toBeCloseTo(0.4, 6);
    expect(whole[30 * 1920]).toBeCloseTo(0.8, 6);
    expect(whole[55 * 1920]).toBeCloseTo(0.4, 6);
    const cut = left(await mixed(here, plan(here, 45, piece("a", 0, 45, { sourceStart: 5 * 1920, fadeIn: { frames: 20, outside: 5 }, fadeOut: { frames: 10, outside: 10 } }))));
    expect(cut).toEqual(whole.slice(5 * 1920, 50 * 1920));
  });

  test("what is too loud is cut off and counted, and leaves the rest as it is", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE, 1, (frame) => (frame >= 100 && frame < 110 ? 0.9 : 0.25)), RATE, 1);
    const target = join(here.folder, "mix.wav");
    expect(await writeMixAsWav(here.store, plan(here, 25, piece("a", 0, 25, { gainDecibels: 6.0206 })), { start: 0, end: RATE }, target)).toEqual({ clipped: 20 });
    const samples = left(await decoded(target));
    expect(samples[105]).toBeCloseTo(1, 3);
    expect(samples[99]).toBeCloseTo(0.5, 3);
  });
});

describe("files", () => {
  test("a WAV as ffprobe knows it, the same bytes each time, also without the cache", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(44_100 * 3, 1, sine(440, 44_100, 0.5)), 44_100, 1);
    const of = plan(here, 70, piece("a", 0, 70, { fadeIn: { frames: 5, outside: 0 } }));
    const hash = async (name: string): Promise<string> => {
      await writeMixAsWav(here.store, of, { start: 0, end: of.samples }, join(here.folder, name));
      return createHash("sha256").update(readFileSync(join(here.folder, name))).digest("hex");
    };
    const first = await hash("one.wav");
    expect(await hash("two.wav")).toBe(first);
    rmSync(here.cache, { recursive: true });
    const again = { ...studio(), sources: here.sources };
    await writeMixAsWav(again.store, of, { start: 0, end: of.samples }, join(here.folder, "three.wav"));
    expect(readFileSync(join(here.folder, "three.wav")).equals(readFileSync(join(here.folder, "one.wav")))).toBe(true);
    expect(ffprobe(join(here.folder, "one.wav"))).toMatchObject({ format: { format_name: "wav", duration: "2.800000" }, streams: [{ codec_name: "pcm_s16le", sample_rate: "48000", channels: 2 }] });
  });

  test("a virtual file is the real one, byte by byte, in any range", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 2, 1, sine(440, RATE, 0.5)), RATE, 1);
    const of = plan(here, 50, piece("a", 3, 40));
    const path = join(here.folder, "mix.wav");
    await writeMixAsWav(here.store, of, { start: 0, end: of.samples }, path);
    const real = readFileSync(path);
    const virtual = virtualWav(here.store, of);
    expect(virtual.bytes).toBe(real.length);
    for (const [start, end] of [[0, real.length], [0, 1], [79, 81], [WAV_HEADER_BYTES + 3, WAV_HEADER_BYTES + 6], [100_001, 300_002], [real.length - 1, real.length], [50, 50]] as const) {
      const parts: Buffer[] = [];
      for await (const part of virtual.read(start, end, new AbortController().signal)) parts.push(part);
      expect(Buffer.concat(parts).equals(real.subarray(start, end)), `${String(start)}-${String(end)}`).toBe(true);
    }
  });

  test("headers beyond 4 GB are those of RF64", () => {
    const frames = 2 ** 31;
    const header = wavHeader({ sampleRate: RATE, channels: 2, sampleFormat: "s16" }, frames);
    expect(header.toString("latin1", 0, 4)).toBe("RF64");
    expect(header.readBigUInt64LE(28)).toBe(BigInt(frames) * 4n);
    expect(header.length).toBe(WAV_HEADER_BYTES);
  });

  test("hundreds of pieces of many files", async () => {
    const here = studio();
    for (let index = 0; index < 40; index += 1) await add(here, `m${String(index)}`, samplesOfFunction(4_800, 1, () => 0.1), RATE, 1);
    const pieces = Array.from({ length: 600 }, (_, index) => piece(`m${String(index % 40)}`, index * 3, 2));
    const of = plan(here, 1_800, ...pieces);
    const mix = left(await mixed(here, of));
    expect(pieces.every(({ start }) => Math.abs((mix[samplesOf(start)] ?? 0) - 0.1) < 1e-6 && mix[samplesOf(start + 2)] === 0)).toBe(true);
  });
});

/** The last sample is read before its copy is in place; closing in between gives the copy up, as it should. */
const wholeCopies = (cache: string) => expect.poll(() => readdirSync(cache).map((name) => name.endsWith(".f32"))).toSatisfy((whole: readonly boolean[]) => whole.length > 0 && whole.every(Boolean));

describe("the cache of decoded recordings", () => {
  test("is kept below its limit, the longest unused first", async () => {
    const here = studio(3 * RATE * 4 + 10);
    for (const id of ["a", "b", "c", "d"]) {
      await add(here, id, samplesOfFunction(RATE, 1, () => 0.1), RATE, 1);
      await mixed(here, plan(here, 25, piece(id, 0, 25)));
      await wholeCopies(here.cache);
      await here.store.close();
    }
    const files = readdirSync(here.cache);
    expect(files.length).toBe(3);
    expect(files.every((name) => name.endsWith(".f32"))).toBe(true);
    // What was thrown away is made again.
    expect(level(await mixed(here, plan(here, 25, piece("a", 0, 25))))).toBeCloseTo(0.1, 5);
  });

  test("a copy that is not whole is made anew", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE, 1, () => 0.1), RATE, 1);
    const of = plan(here, 25, piece("a", 0, 25));
    const before = await mixed(here, of);
    await wholeCopies(here.cache);
    await here.store.close();
    const [name] = readdirSync(here.cache);
    truncateSync(join(here.cache, name ?? ""), 1_000);
    expect(await mixed(here, of)).toEqual(before);
    await expect.poll(() => statSync(join(here.cache, name ?? "")).size).toBe(RATE * 4);
    await here.store.close();
    expect(statSync(join(here.cache, name ?? "")).size).toBe(RATE * 4);
  });

  test("several readers at once of one that is being decoded", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 30, 1, sine(100, RATE, 0.5)), RATE, 1, "flac");
    const of = plan(here, 750, piece("a", 0, 750));
    const spans = [[RATE * 29, RATE * 30], [0, RATE], [RATE * 10, RATE * 12]] as const;
    const levels = await Promise.all(spans.map(async ([start, end]) => level(await mixed(here, of, start, end))));
    for (const one of levels) expect(one).toBeCloseTo(0.5 / Math.SQRT2, 3);
  });

  test("missing and unreadable recordings are named, and tried again later", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE, 1, () => 0.1), RATE, 1);
    const of = plan(here, 25, piece("a", 0, 25));
    const { path } = here.sources.get("a") ?? { path: "" };
    const content = readFileSync(path);
    unlinkSync(path);
    await expect(mixed(here, of)).rejects.toMatchObject({ fault: { code: "MEDIA_NOT_FOUND", what: 'The recording "a" is missing.' } });
    const { writeFileSync } = await import("node:fs");
    writeFileSync(path, "not sound");
    await expect(mixed(here, of)).rejects.toMatchObject({ fault: { code: "AUDIO_UNREADABLE" } });
    expect(readdirSync(here.cache)).toEqual([]);
    writeFileSync(path, content);
    expect(level(await mixed(here, of))).toBeCloseTo(0.1, 5);
  });

  test("a stopped mix leaves nothing behind", async () => {
    const here = studio();
    await add(here, "a", samplesOfFunction(RATE * 20, 1, () => 0.1), RATE, 1);
    const of = plan(here, 500, piece("a", 0, 500));
    const controller = new AbortController();
    const target = join(here.folder, "out", "mix.wav");
    const writing = writeMixAsWav(here.store, of, { start: 0, end: of.samples }, target, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });
    await expect(writing).rejects.toThrow("enough");
    expect(readdirSync(join(here.folder, "out"))).toEqual([]);
  });
});
