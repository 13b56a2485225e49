import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { describe, expect } from "vitest";
import { decodePictures, distinctPictures, indexOfNearest, probeStreams } from "../support/pictures.ts";
import { exportFile } from "./export-file.ts";
import { CLIPS, test } from "./rendered-studio.ts";
import { CLIP } from "./small-video.ts";
import { frameTeller, goToFrame } from "./studio-page.ts";

const FRAMES = CLIPS * CLIP;

/** Names of an MP4 file's outermost boxes, in order. */
function boxesOf(path: string): string[] {
  const file = openSync(path, "r");
  try {
    const names: string[] = [];
    const head = Buffer.alloc(8);
    for (let at = 0; at < fstatSync(file).size; at += Math.max(8, head.readUInt32BE(0))) {
      readSync(file, head, 0, 8, at);
      names.push(head.toString("latin1", 4, 8));
    }
    return names;
  } finally {
    closeSync(file);
  }
}

describe("a finished video is exported", () => {
  test("as MP4: picture and sound of equal length, playable from its first bytes, and it says that it is a preview", async ({ openCopy }) => {
    const { page } = await openCopy();
    const { path, name } = await exportFile(page, "MP4 video", async () => {
      await page.getByText("These are preview clips", { exact: false }).waitFor();
    });
    expect(name).toMatch(/^Four clips copy( \d)? \(preview\)\.mp4$/);
    const streams = probeStreams(path);
    expect(streams.map((stream) => [stream.codec_type, stream.codec_name])).toEqual([["video", "h264"], ["audio", "aac"]]);
    const [picture, sound] = streams;
    expect(picture).toMatchObject({ width: 192, height: 128, avg_frame_rate: "25/1", nb_read_frames: String(FRAMES) });
    const lengths = [picture?.duration, sound?.duration].map(Number);
    for (const length of lengths) expect(Math.abs(length - FRAMES / 25)).toBeLessThanOrEqual(1 / 25);
    const boxes = boxesOf(path);
    expect(boxes.indexOf("moov")).toBeGreaterThan(-1);
    expect(boxes.indexOf("moov")).toBeLessThan(boxes.indexOf("mdat"));

    // The player shows the frame that the file has in this place.
    const pictures = decodePictures(path);
    const shownFrame = await frameTeller(page, pictures);
    for (const frame of [...distinctPictures(pictures).slice(0, 3), FRAMES - 1]) {
      await goToFrame(page, frame);
      await expect.poll(shownFrame, { timeout: 20_000 }).toBe(frame);
    }
  });

  test("as a still picture of the frame under the playhead", async ({ openCopy }) => {
    const { page } = await openCopy();
    const video = await exportFile(page, "MP4 video");
    const pictures = decodePictures(video.path);
    const [frame = 0] = distinctPictures(pictures);
    await goToFrame(page, frame);
    const still = await exportFile(page, "Still picture");
    expect(still.name).toMatch(/\.png$/);
    expect(probeStreams(still.path)).toMatchObject([{ codec_name: "png", width: 192, height: 128 }]);
    expect(indexOfNearest(decodePictures(still.path)[0] ?? new Uint8Array(), pictures)).toBe(frame);
  });

  test("as a GIF of a part", async ({ openCopy }) => {
    const { page } = await openCopy();
    await goToFrame(page, 10);
    await page.keyboard.press("i");
    await goToFrame(page, 34);
    await page.keyboard.press("o");
    const { path } = await exportFile(page, "GIF excerpt", async () => {
      await page.getByRole("switch", { name: "Only between the in and out points" }).click();
    });
    const [stream, ...others] = probeStreams(path);
    expect(others).toEqual([]);
    expect(stream?.codec_name).toBe("gif");
    // Players of GIF know hundredths of a second only, so the number of frames may differ, the length not.
    expect(Math.abs(Number(stream?.duration) - 25 / 25)).toBeLessThanOrEqual(0.12);
  });

  test("as sound, sample by sample as long as the video", async ({ openCopy }) => {
    const { page } = await openCopy();
    const { path, name } = await exportFile(page, "Sound");
    expect(name).toMatch(/^Four clips copy( \d)?\.wav$/);
    const [sound, ...others] = probeStreams(path);
    expect(others).toEqual([]);
    expect(sound?.codec_type).toBe("audio");
    expect(sound?.duration_ts).toBe((FRAMES * Number(sound?.sample_rate)) / 25);
  });

  test("as captions from its markers", async ({ openCopy }) => {
    const { page } = await openCopy();
    const mark = async (frame: number, words: string) => {
      await goToFrame(page, frame);
      await page.keyboard.press("m");
      await page.getByRole("textbox", { name: "Name", exact: true }).fill(words);
      await page.keyboard.press("Enter");
    };
    await mark(0, "Good day");
    await mark(50, "And goodbye");
    const { path, name } = await exportFile(page, "Captions");
    expect(name).toMatch(/^Four clips copy( \d)?\.srt$/);
    expect(readFileSync(path, "utf8")).toBe("1\n00:00:00,000 --> 00:00:02,000\nGood day\n\n2\n00:00:02,000 --> 00:00:03,840\nAnd goodbye\n");
  });
});
