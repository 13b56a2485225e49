import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { describe, expect } from "vitest";
import { decodePictures, distinctPictures, indexOfNearest, probeStreams } from "../support/pictures.ts";
import { exportFile } from "./export-file.ts";
import { CLIPS, test } from "./rendered-studio.ts";
import { CLIP, EVENING } from "./small-video.ts";
import { changePromptFrom, frameTeller, FRESH, goToFrame, RENDER_MILLISECONDS, untilClips } from "./studio-page.ts";

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

const WORDS = "1\n00:00:00,500 --> 00:00:02,000\nGood day\n\n2\n00:00:03,000 --> 00:00:09,000\nAnd goodbye\n";
const captionsFile = (name: string, content: string) => ({ name, mimeType: "application/x-subrip", buffer: Buffer.from(content) });

describe("captions", () => {
  test("are dropped on the assets, kept in the project, and go beside the video or into it", async ({ openCopy, rendered: { client } }) => {
    const { page, document, projectId } = await openCopy();
    const drop = async (name: string, content: string) => {
      const data = await page.evaluateHandle(([file, text]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], file, { type: "" }));
        return transfer;
      }, [name, content] as const);
      await page.getByRole("tabpanel").locator("> div").dispatchEvent("drop", { dataTransfer: data });
    };
    // Dropped where portraits are: it goes where it belongs.
    await drop("broken.srt", "1\n00:00:01,000 -> 00:00:02,000\nHello\n");
    await page.getByText('Line 2 should hold times such as 00:00:01,000 --> 00:00:04,000, and holds "00:00:01,000 -> 00:00:02,000".').waitFor();
    await drop("words.srt", WORDS);
    await page.getByRole("list", { name: "Captions" }).getByText("2 captions, up to 0:09").waitFor();
    await expect.poll(async () => (await document()).media.map((media) => [media.kind, media.name])).toContainEqual(["captions", "words.srt"]);
    expect((await document()).media).toHaveLength(3);
    // It moves with the project.
    const { url } = await client.rpc.projects.collect({ projectId, target: { kind: "download" } });
    const archive = Buffer.from(await (await client.fetch(url ?? "")).arrayBuffer());
    expect(archive.includes(Buffer.from(WORDS))).toBe(true);

    const dialog = page.getByRole("dialog", { name: "Export" });
    const besides = await exportFile(page, "MP4 video", async () => {
      await dialog.getByRole("combobox", { name: "Captions" }).getByText("words.srt").waitFor();
    }, "Save the captions");
    expect(besides.name).toMatch(/^Four clips copy( \d)? \(preview\)\.srt$/);
    expect(readFileSync(besides.path, "utf8")).toBe("1\n00:00:00,500 --> 00:00:02,000\nGood day\n\n2\n00:00:03,000 --> 00:00:03,840\nAnd goodbye\n");

    const inside = await exportFile(page, "MP4 video", async () => {
      await dialog.getByRole("radio", { name: "Track in the video" }).click();
    });
    expect(probeStreams(inside.path).map((stream) => stream.codec_name)).toEqual(["h264", "aac", "mov_text"]);
  });

  test("are added in the export dialog, for a file of their own, cut to the range", async ({ openCopy }) => {
    const { page } = await openCopy();
    await goToFrame(page, 25);
    await page.keyboard.press("i");
    await goToFrame(page, 85);
    await page.keyboard.press("o");
    const { path, name } = await exportFile(page, "Captions", async () => {
      const dialog = page.getByRole("dialog", { name: "Export" });
      await dialog.locator("input[type=file]").setInputFiles(captionsFile("not.srt", "nothing"));
      await dialog.getByRole("alert").getByText("CAPTIONS_UNREADABLE").waitFor();
      await dialog.locator("input[type=file]").setInputFiles(captionsFile("words.srt", WORDS));
      await dialog.getByRole("combobox", { name: "Captions" }).getByText("words.srt").waitFor();
      await dialog.getByRole("radio", { name: "WebVTT" }).click();
      await dialog.getByRole("switch", { name: "Only between the in and out points" }).click();
    });
    expect(name).toMatch(/\.vtt$/);
    expect(readFileSync(path, "utf8")).toBe("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGood day\n\n00:00:02.000 --> 00:00:02.440\nAnd goodbye\n");
  });
});

describe("clips that are out of date", () => {
  test("are named, and exported as they are only when the user says so; or rendered first", async ({ openCopy }) => {
    const { page } = await openCopy();
    const before = await exportFile(page, "MP4 video");
    await changePromptFrom(page, 2 * CLIP, EVENING);
    const dialog = page.getByRole("dialog", { name: "Export" });
    const opened = async () => {
      await page.getByRole("button", { name: "Export", exact: true }).click();
      await dialog.waitFor();
    };
    await untilClips(page, [FRESH, FRESH, /^out of date/, /^out of date/]);
    await opened();
    await dialog.getByText("2 of 4 clips are out of date: 3–4.").waitFor();
    await dialog.getByText("Out of date because of: another prompt").waitFor();
    expect(await dialog.getByRole("button", { name: "Export", exact: true }).count()).toBe(0);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    const anyway = await exportFile(page, "MP4 video", () => Promise.resolve(), "Save the file", "Export anyway");
    // The same pictures as before the edit.
    expect(decodePictures(anyway.path)).toEqual(decodePictures(before.path));

    await opened();
    await dialog.getByRole("button", { name: "Render them first" }).click();
    // The dialog waits for the render, then exports like any other.
    await dialog.getByRole("button", { name: "Export", exact: true }).click({ timeout: RENDER_MILLISECONDS });
    await dialog.getByRole("button", { name: "Save the file" }).waitFor();
  });
});

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
