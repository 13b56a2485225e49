import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ExportRequest } from "../../contract/jobs.schema.ts";
import { silentLogger } from "../common/logger.ts";
import type { Cue } from "./captions/cues.ts";
import { renderedTake, shownFrames } from "./clips-test-support.ts";
import { type ExportJob, type ExportOptions, type ExportProgress, type ExportResult, exportTimeline } from "./exporter.ts";
import type { PictureTake } from "./export-pictures.ts";
import { decoded, ffprobe, level, python, recording, samplesOfFunction, temporaryFolder, testFfmpeg } from "./media-test-support.ts";
import { type MixPlan, placePieces } from "./mix-plan.ts";
import { createSoundStore, type SoundStore } from "./sound-store.ts";

const RATE = 48_000;
const numbers = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, index) => start + index);

interface Fixture {
  readonly folder: string;
  readonly sounds: SoundStore;
  readonly sound: MixPlan;
  readonly frames: number;
  readonly out: (request: ExportRequest, takes: readonly PictureTake[], options?: ExportOptions, cues?: readonly Cue[]) => Promise<ExportResult & { readonly path: string; readonly progress: readonly ExportProgress[] }>;
}

/** A timeline of `frames` frames whose sound is silent but for one frame of tone, at frame 60. */
async function fixture(frames: number): Promise<Fixture> {
  const folder = temporaryFolder();
  const sounds = createSoundStore({ ffmpeg: testFfmpeg, folder: join(folder, "cache"), maximumBytes: 1e9, logger: silentLogger });
  onTestFinished(() => sounds.close());
  const samples = frames * 1920;
  const path = await recording(join(folder, "voice.wav"), samplesOfFunction(samples, 1, (sample) => (Math.floor(sample / 1920) === 60 ? 0.5 * Math.sin(sample / 8) : 0)), RATE, 1);
  const piece = { trackId: "t", mediaId: "a", sha256: "", start: 0, duration: frames, sourceStart: 0, gainDecibels: 0, fadeIn: { frames: 0, outside: 0 }, fadeOut: { frames: 0, outside: 0 } };
  const sound = placePieces([piece], frames, () => ({ path, name: "voice", samples, sampleRate: RATE, channels: 1 }));
  return {
    folder,
    sounds,
    sound,
    frames,
    out: async (request, takes, options = {}, cues = [{ start: 400, end: 4_000, text: "Hello" }]) => {
      const target = join(folder, "out", `video.${request.format}`);
      const progress: ExportProgress[] = [];
      const job: ExportJob = { request, frames, takes, sound, cues, target };
      const { mkdirSync } = await import("node:fs");
      mkdirSync(join(folder, "out"), { recursive: true });
      const result = await exportTimeline({ ffmpeg: testFfmpeg, sounds }, job, { onProgress: (one) => progress.push(one), ...options });
      return { ...result, path: target, progress };
    },
  };
}

/** The frame at which the tone of the fixture sounds, seen from the file. */
async function toneAt(path: string): Promise<number> {
  const samples = await decoded(path, "-ac", "1", "-ar", String(RATE));
  const levels = numbers(0, Math.floor(samples.length / 1920)).map((frame) => level(samples.slice(frame * 1920, (frame + 1) * 1920)));
  return levels.indexOf(Math.max(...levels));
}

/** Begin and length of each caption in seconds, as ffprobe finds them. */
function packets(path: string): (readonly [number, number])[] {
  const answer = JSON.parse(execFileSync("ffprobe", ["-v", "error", "-show_entries", "packet=pts_time,duration_time", "-of", "json", path], { encoding: "utf8" })) as { readonly packets: readonly { readonly pts_time: string; readonly duration_time: string }[] };
  return answer.packets.map((packet) => [Number(packet.pts_time), Number(packet.duration_time)]);
}

function expectWhole(path: string, frames: number, codecs: readonly [string, string]): void {
  const { streams, format } = ffprobe(path);
  const [video, audio] = [streams.find((one) => one.codec_type === "video"), streams.find((one) => one.codec_type === "audio")];
  expect([video?.codec_name, audio?.codec_name]).toEqual(codecs);
  expect(Number(video?.nb_read_frames)).toBe(frames);
  expect(Math.abs(Number(format.duration) - frames / 25)).toBeLessThanOrEqual(0.04);
  for (const stream of [video, audio]) {
    if (stream?.duration !== undefined) expect(Math.abs(Number(stream.duration) - frames / 25)).toBeLessThanOrEqual(0.04);
    expect(Math.abs(Number(stream?.start_time))).toBeLessThanOrEqual(0.01);
  }
}

function expectClimbing(progress: readonly ExportProgress[]): void {
  const shares = progress.map((one) => one.share);
  expect([...shares].sort((one, other) => one - other)).toEqual(shares);
  expect(shares.at(-1)).toBe(1);
  expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
}

describe("MP4", () => {
  test("clips of several takes are copied as they are, with the sound of the timeline", async () => {
    const here = await fixture(230);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 100 }), await renderedTake(here.folder, { start: 100, frames: 130 })];
    const { path, progress, warnings, bytes } = await here.out({ format: "mp4", range: null }, takes);
    expectWhole(path, 230, ["h264", "aac"]);
    expect(await shownFrames(path)).toEqual(numbers(0, 230));
    expect(await toneAt(path)).toBe(60);
    expectClimbing(progress);
    expect(warnings).toEqual([]);
    expect(bytes).toBe(statSync(path).size);
    expect(progress.map((one) => one.doing.text)).toContain("Copying the pictures");
    // The index comes first, so that a browser can play while it loads.
    const file = readFileSync(path);
    expect(file.indexOf("moov")).toBeLessThan(file.indexOf("mdat"));
    // Decoded pictures are those of the clips, bit for bit: nothing was encoded anew.
    const joined = join(here.folder, "take.mp4");
    const [first] = takes;
    writeFileSync(joined, Buffer.concat([first?.initPath ?? "", ...(first?.clips ?? []).map((clip) => clip.path)].map((part) => readFileSync(part))));
    const frames = async (of: string): Promise<string> => (await testFfmpeg.run(["-i", of, "-map", "0:v:0", "-frames:v", "100", "-f", "framemd5", "-"])).stdout.toString().replaceAll(/^#.*$|^[^#]*,\s*/gm, "");
    expect(await frames(path)).toBe(await frames(joined));
    expect(readdirSync(join(here.folder, "out"))).toEqual(["video.mp4"]);
  });

  test("a range that begins with a clip is copied, wherever it ends", async () => {
    const here = await fixture(200);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 200 })];
    const { path, warnings } = await here.out({ format: "mp4", range: { start: 48, end: 131 } }, takes);
    expectWhole(path, 83, ["h264", "aac"]);
    expect(await shownFrames(path)).toEqual(numbers(48, 131));
    expect(await toneAt(path)).toBe(12);
    expect(warnings).toEqual([]);
  });

  test("a range that begins within a clip is encoded anew, saying so", async () => {
    const here = await fixture(200);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 120 }), await renderedTake(here.folder, { start: 120, frames: 80 })];
    const { path, progress, warnings } = await here.out({ format: "mp4", range: { start: 55, end: 155 } }, takes);
    expectWhole(path, 100, ["h264", "aac"]);
    expect(await shownFrames(path)).toEqual(numbers(55, 155));
    expect(await toneAt(path)).toBe(5);
    expect(warnings).toEqual(["The pictures were encoded anew: the range begins within a clip."]);
    expect(progress.some((one) => one.doing.text.startsWith("Encoding the pictures anew at 96 x 64"))).toBe(true);
  });

  test("takes of different sizes are fitted into the largest, saying so", async () => {
    const here = await fixture(150);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 50, width: 64, height: 64 }), await renderedTake(here.folder, { start: 50, frames: 100, width: 128, height: 64 })];
    const { path, warnings } = await here.out({ format: "mp4", range: null }, takes);
    expectWhole(path, 150, ["h264", "aac"]);
    expect(ffprobe(path).streams).toMatchObject([{ width: 128, height: 64 }, {}]);
    expect((await shownFrames(path)).slice(50)).toEqual(numbers(50, 150));
    expect(warnings).toEqual(["The pictures were encoded anew: the portraits have different picture sizes."]);
  });

  test("takes of different encoder settings are not glued together", async () => {
    const here = await fixture(96);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 48 }), await renderedTake(here.folder, { start: 48, frames: 48, preset: "ultrafast" })];
    const { path, warnings } = await here.out({ format: "mp4", range: null }, takes);
    expectWhole(path, 96, ["h264", "aac"]);
    expect(await shownFrames(path)).toEqual(numbers(0, 96));
    expect(warnings).toEqual(["The pictures were encoded anew: the clips were made with different encoder settings."]);
  });

  test("one frame", async () => {
    const here = await fixture(96);
    const { path } = await here.out({ format: "mp4", range: { start: 48, end: 49 } }, [await renderedTake(here.folder, { start: 0, frames: 96 })]);
    expectWhole(path, 1, ["h264", "aac"]);
  });
});

describe("excerpts", () => {
  test("WebM", async () => {
    const here = await fixture(120);
    const { path, progress } = await here.out({ format: "webm", range: { start: 50, end: 100 }, width: 64 }, [await renderedTake(here.folder, { start: 0, frames: 120 })]);
    expectWhole(path, 50, ["vp9", "opus"]);
    expect(ffprobe(path).streams).toMatchObject([{ width: 64, height: 42 }, {}]);
    expect(await shownFrames(path)).toEqual(numbers(50, 100));
    expect(await toneAt(path)).toBe(10);
    expectClimbing(progress);
  });

  test("GIF", async () => {
    const here = await fixture(120);
    const { path, progress } = await here.out({ format: "gif", range: { start: 50, end: 80 }, width: 64 }, [await renderedTake(here.folder, { start: 0, frames: 120 })]);
    const { streams, format } = ffprobe(path);
    expect(streams).toMatchObject([{ codec_name: "gif", width: 64, nb_read_frames: "30" }]);
    expect(Number(format.duration)).toBeCloseTo(30 / 25, 2);
    expect(await shownFrames(path)).toEqual(numbers(50, 80));
    expectClimbing(progress);
  });

  test.each([0, 47, 48, 119])("still of frame %i", async (frame) => {
    const here = await fixture(120);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 60 }), await renderedTake(here.folder, { start: 60, frames: 60 })];
    const { path } = await here.out({ format: "png", frame }, takes);
    expect(ffprobe(path).streams).toMatchObject([{ codec_name: "png", width: 96, height: 64 }]);
    expect(await shownFrames(path)).toEqual([frame]);
    expect(python("import sys\nfrom PIL import Image\nprint(Image.open(sys.argv[1]).mode)", path).trim()).toBe("RGB");
  });

  test("WAV and captions need no pictures", async () => {
    const here = await fixture(100);
    const wav = await here.out({ format: "wav", range: { start: 25, end: 75 } }, []);
    expect(ffprobe(wav.path)).toMatchObject({ format: { duration: "2.000000" }, streams: [{ sample_rate: "48000", channels: 2 }] });
    expect(await toneAt(wav.path)).toBe(35);
    const { path } = await here.out({ format: "srt", source: { kind: "markers" }, range: null }, []);
    expect(readFileSync(path, "utf8")).toBe("1\n00:00:00,400 --> 00:00:04,000\nHello\n");
    expect(ffprobe(path).streams).toMatchObject([{ codec_type: "subtitle", codec_name: "subrip" }]);
  });
});

describe("captions", () => {
  const WORDS = [{ start: 500, end: 2_500, text: "Tom & <i>Ann</i>, 1 < 2 > 0" }, { start: 2_000, end: 3_000, text: "00:00:00,000 --> 00:01:00,000" }, { start: 3_500, end: 60_000, text: "你好" }];
  const source = { kind: "markers" } as const;

  test.each(["srt", "vtt"] as const)("as %s are read by another program at the times they have, cut to the range", async (format) => {
    const here = await fixture(100);
    const { path } = await here.out({ format, source, range: { start: 25, end: 100 } }, [], {}, WORDS);
    expect(ffprobe(path).streams.map((stream) => stream.codec_name)).toEqual([format === "srt" ? "subrip" : "webvtt"]);
    expect(packets(path)).toEqual([[0, 1.5], [1, 1], [2.5, 0.5]]);
  });

  test("in the video are a track that can be turned on, one caption at a time, as long as the video", async () => {
    const here = await fixture(96);
    const { path, warnings } = await here.out({ format: "mp4", range: null, captions: { source, place: "track" } }, [await renderedTake(here.folder, { start: 0, frames: 96 })], {}, WORDS);
    expectWhole(path, 96, ["h264", "aac"]);
    expect(warnings).toEqual([]);
    expect(readdirSync(join(here.folder, "out"))).toEqual(["video.mp4"]);
    expect(ffprobe(path).streams.map((stream) => stream.codec_name)).toEqual(["h264", "aac", "mov_text"]);
    const text = (await testFfmpeg.run(["-i", path, "-map", "0:s:0", "-f", "srt", "-"])).stdout.toString();
    expect(text.trim().split(/\n\n+/)).toEqual([
      "1\n00:00:00,500 --> 00:00:02,000\nTom & <i>Ann</i>, 1 < 2 > 0",
      "2\n00:00:02,000 --> 00:00:02,500\nTom & <i>Ann</i>, 1 < 2 > 0\n00:00:00,000 → 00:01:00,000",
      "3\n00:00:02,500 --> 00:00:03,000\n00:00:00,000 → 00:01:00,000",
      "4\n00:00:03,500 --> 00:00:03,840\n你好",
    ]);
  });

  test("beside the video bear its name, and take no file of somebody else", async () => {
    const here = await fixture(96);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 96 })];
    const request = { format: "mp4", range: { start: 48, end: 96 }, captions: { source, place: "beside" } } as const;
    const { path, warnings } = await here.out(request, takes, {}, WORDS);
    expectWhole(path, 48, ["h264", "aac"]);
    const beside = join(here.folder, "out", "video.srt");
    expect(packets(beside)).toEqual([[0, 0.58], [0.08, 1], [1.58, 0.34]]);
    expect(warnings).toEqual([]);
    // The same again needs no other name; what is not ours keeps its own.
    await here.out(request, takes, {}, WORDS);
    writeFileSync(beside, "mine");
    expect((await here.out(request, takes, {}, WORDS)).warnings).toEqual(['The captions are in "video 2.srt": there was another file of the video\'s name.']);
    expect(readFileSync(beside, "utf8")).toBe("mine");
    expect(readdirSync(join(here.folder, "out")).sort()).toEqual(["video 2.srt", "video.mp4", "video.srt"]);
  });

  test("that lie elsewhere are missed in words", async () => {
    const here = await fixture(96);
    const takes = [await renderedTake(here.folder, { start: 0, frames: 96 })];
    const later = [{ start: 9_000, end: 9_500, text: "Later" }];
    const { path, warnings } = await here.out({ format: "mp4", range: null, captions: { source, place: "track" } }, takes, {}, later);
    expect(warnings).toEqual(["No caption lies in the exported part, so there are none."]);
    expectWhole(path, 96, ["h264", "aac"]);
    await expect(here.out({ format: "srt", source, range: null }, [], {}, later)).rejects.toMatchObject({ fault: { code: "EXPORT_NO_CAPTIONS" } });
  });
});

describe("refusals leave the old file as it is", () => {
  test("missing pictures, an empty range, a damaged clip, a stop", async () => {
    const here = await fixture(150);
    const take = await renderedTake(here.folder, { start: 0, frames: 100 });
    const refused = async (request: ExportRequest, options: ExportOptions = {}): Promise<unknown> => here.out(request, [take], options).then(() => null, (error: unknown) => error);
    const { path } = await here.out({ format: "mp4", range: { start: 0, end: 10 } }, [take]);
    const before = readFileSync(path);
    expect(await refused({ format: "mp4", range: null })).toMatchObject({ fault: { code: "EXPORT_PICTURES_MISSING", why: "There is no finished picture at 0:04:00." } });
    expect(await refused({ format: "mp4", range: { start: 200, end: 300 } })).toMatchObject({ fault: { code: "EXPORT_RANGE_EMPTY" } });
    const controller = new AbortController();
    expect(await refused({ format: "mp4", range: { start: 0, end: 100 } }, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) })).toMatchObject({ message: "enough" });
    const clip = take.clips[1]?.path ?? "";
    truncateSync(clip, Math.floor(statSync(clip).size / 2));
    expect(await refused({ format: "mp4", range: { start: 0, end: 100 } })).toMatchObject({ fault: { code: "EXPORT_LENGTH_WRONG" } });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(join(here.folder, "out"))).toEqual(["video.mp4"]);
  });
});
