import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { parsePictureSize, pictureSize } from "./picture-size.ts";
import { blockOfFrame, clipsOfFrames, FRAMES_PER_BLOCK, FRAMES_PER_SECOND, frameOfTimecode, framesOfSamples, isClipLength, MODEL_SAMPLE_RATE, nearestClipLengths, sampleOfFrame, secondsOfFrames, timecode } from "./time.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

/** The table that the engine is tested with as well. */
type Table = {
  constants: { frames_per_second: number; frames_per_block: number; samples_per_second: number };
  frames_of_samples: { samples: number; sample_rate: number; frames: number }[];
  clips_of_frames: { frames: number; infer_frames: number; clips: number }[];
  block_of_frame: { frame: number; block: number }[];
  infer_frames: number[];
  infer_frames_errors: { infer_frames: number; hint: string }[];
  sizes: { text: string; width: number; height: number }[];
  size_errors: string[];
  output_sizes: { area: [number, number]; image: [number, number]; output: [number, number] }[];
};
const table = JSON.parse(readFileSync(new URL("../../python-runtime/tests/data/time_cases.json", import.meta.url), "utf8")) as Table;

describe("the shared table", () => {
  it("has the same constants", () => {
    expect(table.constants).toMatchObject({ frames_per_second: FRAMES_PER_SECOND, frames_per_block: FRAMES_PER_BLOCK, samples_per_second: MODEL_SAMPLE_RATE });
  });
  it.each(table.frames_of_samples)("$samples samples at $sample_rate Hz are $frames frames", ({ samples, sample_rate, frames }) => {
    expect(framesOfSamples(samples, sample_rate)).toBe(frames);
  });
  it.each(table.clips_of_frames)("$frames frames are $clips clips of $infer_frames", ({ frames, infer_frames, clips }) => {
    expect(clipsOfFrames(frames, infer_frames)).toBe(clips);
  });
  it.each(table.block_of_frame)("frame $frame is in block $block", ({ frame, block }) => {
    expect(blockOfFrame(frame)).toBe(block);
  });
  it.each(table.infer_frames)("%i frames are a clip", (frames) => {
    expect(isClipLength(frames)).toBe(true);
  });
  it.each(table.infer_frames_errors)("$infer_frames frames are none: $hint", ({ infer_frames, hint }) => {
    expect(isClipLength(infer_frames)).toBe(false);
    expect(`Use ${nearestClipLengths(infer_frames).join(" or ")}.`).toBe(hint);
  });
  it.each(table.sizes)("$text is a size", ({ text, width, height }) => {
    expect(parsePictureSize(text)).toEqual({ width, height });
  });
  it.each(table.size_errors)("%j is none", (text) => {
    expect(parsePictureSize(text)).toBeNull();
  });
  it.each(table.output_sizes)("a portrait of $image with the budget $area becomes $output", ({ area, image, output }) => {
    expect(pictureSize({ width: area[0], height: area[1] }, { width: image[0], height: image[1] })).toEqual({ width: output[0], height: output[1] });
  });
});

describe("samples of frames", () => {
  it.each([
    [0, 48_000, 0],
    [1, 48_000, 1_920],
    [25, 44_100, 44_100],
    // 888.88 samples a frame.
    [1, 22_222, 888],
    [2, 22_222, 1_777],
    [25, 22_222, 22_222],
    [10_000_000, 768_000, 307_200_000_000],
  ])("frame %i at %i Hz begins at sample %i", (frame, rate, sample) => {
    expect(sampleOfFrame(frame, rate)).toBe(sample);
  });

  it("a recording cut anywhere is not shorter than before, at any rate", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 1, max: 768_000 }), fc.nat(), (samples, rate, where) => {
        const frames = framesOfSamples(samples, rate);
        const cut = where % frames;
        const rest = framesOfSamples(samples - sampleOfFrame(cut, rate), rate);
        expect(rest).toBeGreaterThanOrEqual(frames - cut);
        if (rate >= FRAMES_PER_SECOND) expect(rest).toBeLessThanOrEqual(frames - cut + 1);
        if (rate % FRAMES_PER_SECOND === 0) expect(rest).toBe(frames - cut);
      }),
    );
  });
});

describe("time codes", () => {
  it.each([
    [0, "0:00:00"],
    [24, "0:00:24"],
    [25, "0:01:00"],
    [1_499, "0:59:24"],
    [1_500, "1:00:00"],
    [89_999, "59:59:24"],
    [90_000, "1:00:00:00"],
    [2_160_000, "24:00:00:00"],
    [-26, "-0:01:01"],
  ])("frame %i is %s", (frame, text) => {
    expect(timecode(frame)).toBe(text);
  });

  it("drops no frame: each has its own time code, which leads back to it", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000 }), (frame) => {
        expect(frameOfTimecode(timecode(frame))).toBe(frame);
        expect(timecode(frame + 1)).not.toBe(timecode(frame));
      }),
    );
    // Where drop-frame counting would skip: the first frames of a minute.
    expect(["1:00:00", "1:00:01", "10:00:00"].map(frameOfTimecode)).toEqual([1_500, 1_501, 15_000]);
  });

  it("an hour of frames is an hour of time", () => {
    expect(secondsOfFrames(90_000)).toBe(3_600);
  });

  it.each<[string, number | null]>([
    ["12", 300],
    ["12.4s", 310],
    [" 0.04 s ", 1],
    ["1:30", 2_250],
    ["90:00", 135_000],
    ["1:30:12", 2_262],
    ["1:02:03:04", 93_079],
    ["1:60", null],
    ["1:00:25", null],
    ["1:60:00", null],
    ["1:60:00:00", null],
    ["", null],
    ["1:2:3:4:5", null],
    ["-5", null],
    ["abc", null],
    ["1e5", null],
  ])("%j is frame %s", (text, frame) => {
    expect(frameOfTimecode(text)).toBe(frame);
  });
});
