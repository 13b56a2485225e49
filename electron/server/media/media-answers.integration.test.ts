import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clipAddress, clipInitAddress, clipThumbnailAddress, mixAddress, newestPictureAddress, peaksAddress, pictureAddress } from "../../contract/addresses.ts";
import { type ProjectDocument, projectDocumentSchema } from "../../contract/document/project-document.schema.ts";
import { silentLogger } from "../common/logger.ts";
import { sendVirtual } from "../http/send-virtual.ts";
import { renderedTake } from "./clips-test-support.ts";
import { createMedia } from "./media.ts";
import { createMediaAnswers, type MediaAnswer } from "./media-answers.ts";
import { decoded, ffprobe, level, make, recording, samplesOfFunction, temporaryFolder, testFfmpeg } from "./media-test-support.ts";

const RATE = 48_000;

async function studio(): Promise<{ readonly answer: (address: string) => Promise<MediaAnswer | null>; readonly folder: string; readonly setRevision: (revision: number) => void }> {
  const folder = temporaryFolder();
  const [media, close] = createMedia({ locateFfmpeg: async () => (await testFfmpeg.about()).path, cacheFolder: temporaryFolder(), logger: silentLogger });
  onTestFinished(close);
  const voice = await recording(join(folder, "voice.wav"), samplesOfFunction(RATE * 2, 1, (frame) => 0.5 * Math.sin(frame / 9)), RATE, 1);
  const face = await make(join(folder, "face.png"), "-f", "lavfi", "-i", "testsrc=size=200x400", "-frames:v", "1");
  const take = await renderedTake(folder, { start: 0, frames: 60 });
  const hash = "0".repeat(64);
  const common = { bytes: 1, name: "n" };
  const segment = { start: 0, duration: 25, sourceStart: 0, gainDecibels: 0, fadeIn: 0, fadeOut: 0 };
  const document: ProjectDocument = projectDocumentSchema.parse({
    format: "avatar-studio-project",
    version: 1,
    id: "p",
    name: "P",
    media: [
      { kind: "image", id: "face", path: "media/face.png", sha256: hash, ...common, width: 200, height: 400 },
      { kind: "audio", id: "voice", path: "media/voice.wav", sha256: hash.replaceAll("0", "1"), ...common, samples: RATE * 2, sampleRate: RATE, channels: 1 },
      { kind: "audio", id: "lost", path: "media/lost.wav", sha256: hash.replaceAll("0", "2"), ...common, samples: RATE * 2, sampleRate: RATE, channels: 1 },
    ],
    portraits: [],
    prompts: [],
    audioTracks: [{ id: "t", name: "", muted: false, gainDecibels: 0, segments: [{ id: "a", mediaId: "voice", ...segment }, { id: "b", mediaId: "lost", ...segment, start: 25 }, { id: "c", mediaId: "voice", ...segment, start: 50 }] }],
    markers: [],
    range: null,
    settings: { modelId: "demo", baseSeed: 0, inferFrames: 48, preview: { width: 384, height: 256, sampleSteps: 3 }, final: { width: 704, height: 384, sampleSteps: 4 } },
  });
  let revision = 5;
  const answers = createMediaAnswers(media, {
    project: () => Promise.resolve({ folder, document, revision }),
    mediaPath: (_projectId, mediaId) => (mediaId === "face" ? Promise.resolve(face) : mediaId === "voice" ? Promise.resolve(voice) : Promise.reject(new Error("missing"))),
    clip: (_folder, quality, takeId, clip, contentHash) => Promise.resolve(quality === "preview" && takeId === "take" && contentHash === `hash${String(clip)}` ? { initPath: take.initPath, clipPath: take.clips[clip]?.path ?? "" } : null),
    newestPicture: (projectFolder, quality, takeId) => `${projectFolder}/${quality}/${takeId}/newest.jpg`,
  });
  const answer = (address: string): Promise<MediaAnswer | null> => {
    const [, area, projectId = "", ...rest] = address.split("/").map(decodeURIComponent);
    expect(area).toBe("files");
    return answers(projectId, rest, new AbortController().signal);
  };
  return { answer, folder, setRevision: (next) => (revision = next) };
}

const pathOf = (answer: MediaAnswer | null): string => (answer?.kind === "file" ? answer.path : `no file: ${String(answer?.kind)}`);

test("every address of the contract is answered, and no other", async () => {
  const { answer } = await studio();
  expect(ffprobe(pathOf(await answer(pictureAddress("p", "face", 120)))).streams).toMatchObject([{ width: 60, height: 120 }]);
  expect(readFileSync(pathOf(await answer(peaksAddress("p", "voice", 2)))).length).toBe(2 * 50);
  expect(pathOf(await answer(clipInitAddress("p", "preview", "take", "hash0")))).toMatch(/init\.mp4$/);
  expect(pathOf(await answer(clipAddress("p", "preview", "take", 1, "hash1")))).toMatch(/clip_00001\.m4s$/);
  expect(ffprobe(pathOf(await answer(clipThumbnailAddress("p", "preview", "take", 1, "hash1")))).streams).toMatchObject([{ height: 90 }]);
  expect(await answer(newestPictureAddress("p", "preview", "take", 12))).toMatchObject({ contentType: "image/jpeg", cache: "never" });
  for (const address of [
    "/files/p/picture/face/121",
    "/files/p/picture/face",
    "/files/p/picture/voice/120",
    "/files/p/picture/nobody/120",
    "/files/p/picture/..%2F..%2Fetc/120",
    "/files/p/peaks/voice/5",
    "/files/p/peaks/voice/-1",
    "/files/p/peaks/face/0",
    "/files/p/takes/preview/take/clips/0/other",
    "/files/p/takes/best/take/clips/0/hash0",
    "/files/p/takes/preview/..%2Ftake/clips/0/hash0",
    "/files/p/takes/preview/take/clips/x/hash0",
    "/files/p/takes/preview/take/clips/0/hash0/thumbnail",
    "/files/p/takes/preview/take/clips/0/hash0/thumbnail/more",
    "/files/p/takes/preview/take/clips/0/hash0/thumbnail/-1",
    "/files/p/takes/preview/take/clips/0/hash0/thumbnail/0/more",
    "/files/p/takes/preview/take/other/hash0",
    "/files/p/takes/preview/..%2Ftake/newest/12",
    "/files/p/takes/preview/take/newest",
    "/files/p/takes/preview/take/newest/12/more",
    "/files/p/mix/4",
    "/files/p/mix/5/more",
    "/files/p/anything",
    "/files/p",
  ]) {
    expect(await answer(address), address).toBeNull();
  }
});

test("the mix is served in ranges by HTTP, a missing recording silent, and goes on after an edit", async () => {
  const { answer, folder, setRevision } = await studio();
  const server = createServer((request, response) => {
    void answer(request.url ?? "").then(async (found) => {
      if (found?.kind === "virtual") await sendVirtual(request, response, found);
      else response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}${mixAddress("p", 5)}`;
  const whole = await fetch(url);
  expect([whole.status, whole.headers.get("content-type"), whole.headers.get("accept-ranges")]).toEqual([200, "audio/wav", "bytes"]);
  const bytes = Buffer.from(await whole.arrayBuffer());
  expect(bytes.length).toBe(Number(whole.headers.get("content-length")));
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(folder, "mix.wav"), bytes);
  expect(ffprobe(join(folder, "mix.wav")).format.duration).toBe("3.000000");
  const samples = await decoded(join(folder, "mix.wav"));
  expect([0, 1, 2].map((second) => level(samples.slice(second * RATE * 2, (second + 1) * RATE * 2)).toFixed(2))).toEqual(["0.35", "0.00", "0.35"]);
  setRevision(6);
  const range = async (value: string, method = "GET"): Promise<[number, string | null, Buffer]> => {
    const response = await fetch(url, { method, headers: { range: value } });
    return [response.status, response.headers.get("content-range"), Buffer.from(await response.arrayBuffer())];
  };
  const [status, contentRange, part] = await range("bytes=100001-200000");
  expect([status, contentRange]).toEqual([206, `bytes 100001-200000/${String(bytes.length)}`]);
  expect(part.equals(bytes.subarray(100_001, 200_001))).toBe(true);
  expect((await range("bytes=-10"))[2].equals(bytes.subarray(-10))).toBe(true);
  expect((await range(`bytes=${String(bytes.length)}-`)).slice(0, 2)).toEqual([416, `bytes */${String(bytes.length)}`]);
  expect((await range("bytes=0-1", "HEAD"))[2].length).toBe(0);
  expect((await range("lines=0-1"))[0]).toBe(200);
});
