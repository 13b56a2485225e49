import { mkdirSync, readFileSync, truncateSync, writeFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FaultError } from "../common/fault-error.ts";
import { decoded, ffprobe, make, python, temporaryFolder, testFfmpeg } from "./media-test-support.ts";
import type { MediaFacts } from "./media-facts.ts";
import { probeMedia } from "./probe.ts";

const probe = (path: string): Promise<MediaFacts> => probeMedia(testFfmpeg, path);

async function refusal(path: string): Promise<string> {
  const error: unknown = await probe(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FaultError)) throw new Error(`No refusal: ${String(error)}`);
  const { what, why, hint } = error.fault;
  for (const text of [what, why, hint]) expect(text).toMatch(/^["A-Z][^]*\.$/);
  expect(`${what}${why}${hint}`).not.toContain(join(path, ".."));
  return error.fault.code;
}

const PILLOW = `
import sys
from PIL import Image
mode, width, height, path, orientation = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
picture = Image.new(mode, (width, height), 90 if mode in ("L", "I;16") else (90,) * len(mode))
extra = {}
if orientation > 1:
    exif = Image.Exif()
    exif[0x0112] = orientation
    extra["exif"] = exif.tobytes()
if path.endswith("animated.webp") or path.endswith("animated.png"):
    extra["save_all"] = True
    extra["append_images"] = [Image.new(mode, (width, height), (200,) * len(mode))]
picture.save(path, **extra)
`;
function picture(path: string, { mode = "RGB", width = 160, height = 96, orientation = 1 } = {}): string {
  python(PILLOW, mode, String(width), String(height), path, String(orientation));
  return path;
}

describe("pictures", () => {
  test.each(["a.jpg", "a.png", "a.webp"])("%s: size as stored and turned", async (name) => {
    const folder = temporaryFolder();
    expect(await probe(picture(join(folder, name)))).toMatchObject({ kind: "image", width: 160, height: 96, notices: [] });
    expect(await probe(picture(join(folder, `turned-${name}`), { orientation: 6 }))).toMatchObject({ width: 96, height: 160 });
    expect(await probe(picture(join(folder, `over-${name}`), { orientation: 3 }))).toMatchObject({ width: 160, height: 96 });
  });

  test.each([["cmyk.jpg", "CMYK"], ["grey.jpg", "L"], ["deep.png", "I;16"], ["clear.png", "RGBA"], ["clear.webp", "RGBA"]])("%s (%s)", async (name, mode) => {
    expect(await probe(picture(join(temporaryFolder(), name), { mode }))).toMatchObject({ kind: "image", width: 160, height: 96 });
  });

  test.each(["animated.webp", "animated.png"])("%s: the first picture, with a notice", async (name) => {
    const facts = await probe(picture(join(temporaryFolder(), name)));
    expect(facts.notices.map((notice) => notice.code)).toEqual(["IMAGE_ANIMATED"]);
  });

  test("a progressive JPEG with a thumbnail in its header is whole; without its end it is cut off", async () => {
    const path = join(temporaryFolder(), "progressive.jpg");
    python(
      "import io, os, sys\nfrom PIL import Image\nsmall = io.BytesIO()\nImage.new('RGB', (64, 64)).save(small, 'JPEG')\nImage.frombytes('RGB', (640, 480), os.urandom(640 * 480 * 3)).save(sys.argv[1], progressive=True, comment=small.getvalue())",
      path,
    );
    expect(await probe(path)).toMatchObject({ width: 640, height: 480 });
    truncateSync(path, Math.floor(statSync(path).size * 0.6));
    expect(await refusal(path)).toBe("IMAGE_TRUNCATED");
  });

  test.each(["a.png", "a.webp", "a.jpg"])("%s cut anywhere is refused, never taken and never a crash", async (name) => {
    const folder = temporaryFolder();
    const whole = readFileSync(picture(join(folder, name)));
    for (const share of [0.02, 0.1, 0.3, 0.6, 0.9, 0.99]) {
      const cut = join(folder, `${String(share)}-${name}`);
      writeFileSync(cut, whole.subarray(0, Math.max(1, Math.floor(whole.length * share))));
      expect(await refusal(cut)).toMatch(/^(IMAGE_TRUNCATED|IMAGE_UNREADABLE|AUDIO_UNREADABLE|MEDIA_KIND_UNKNOWN)$/);
    }
  });

  test("damaged data, too small, too large", async () => {
    const folder = temporaryFolder();
    const bytes = readFileSync(picture(join(folder, "a.png"), { width: 300, height: 300 }));
    const data = bytes.indexOf("IDAT", 0, "latin1");
    bytes.fill(0x55, data + 12, data + 40);
    writeFileSync(join(folder, "damaged.png"), bytes);
    expect(await refusal(join(folder, "damaged.png"))).toBe("IMAGE_UNREADABLE");
    expect(await refusal(picture(join(folder, "small.png"), { width: 200, height: 63 }))).toBe("IMAGE_TOO_SMALL");
    expect(await refusal(picture(join(folder, "large.png"), { mode: "L", width: 20_000, height: 5_001 }))).toBe("IMAGE_TOO_LARGE");
  });
});

describe("recordings", () => {
  const tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3.21:sample_rate=44100"];

  test.each([
    ["a.wav", []],
    ["a.flac", []],
    ["a.mp3", ["-b:a", "128k"]],
    ["a.m4a", []],
    ["a.ogg", ["-c:a", "libvorbis"]],
    ["a.opus", ["-c:a", "libopus"]],
    ["stereo.wav", ["-ac", "2", "-c:a", "pcm_s24le"]],
    ["slow.wav", ["-ar", "11025"]],
    ["six.wav", ["-ac", "6"]],
    ["large.w64", []],
  ] as const)("%s: samples exactly as they decode", async (name, options) => {
    const path = await make(join(temporaryFolder(), name), ...tone, ...options);
    const [stream] = ffprobe(path).streams;
    const facts = await probe(path);
    expect(facts).toMatchObject({ kind: "audio", sampleRate: Number(stream?.sample_rate), channels: stream?.channels, fromVideo: false, notices: [] });
    expect(facts).toMatchObject({ samples: (await decoded(path)).length / (stream?.channels ?? 0) });
  });

  test("the sound of a video, and a video without sound", async () => {
    const folder = temporaryFolder();
    const video = ["-f", "lavfi", "-i", "testsrc=size=64x64:duration=5"];
    expect(await probe(await make(join(folder, "with.mp4"), ...tone, ...video, "-shortest"))).toMatchObject({ kind: "audio", fromVideo: true, notices: [] });
    expect(await probe(await make(join(folder, "longer.mp4"), ...tone, ...video))).toMatchObject({ kind: "audio", fromVideo: true, notices: [] });
    expect(await refusal(await make(join(folder, "without.mp4"), ...video))).toBe("AUDIO_NO_STREAM");
  });

  test("cover art does not make a video", async () => {
    const folder = temporaryFolder();
    const cover = picture(join(folder, "cover.png"));
    const path = await make(join(folder, "song.m4a"), ...tone, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic");
    expect(await probe(path)).toMatchObject({ kind: "audio", fromVideo: false });
  });

  test.each(["cut.wav", "cut.flac", "cut.ogg", "cut.mp3"])("%s: what can be read counts, and the notice says how much", async (name) => {
    const path = await make(join(temporaryFolder(), name), "-f", "lavfi", "-i", "anoisesrc=duration=8:sample_rate=44100", "-ac", "1");
    truncateSync(path, Math.floor(statSync(path).size / 2));
    const facts = await probe(path);
    expect(facts).toMatchObject({ kind: "audio", samples: (await decoded(path)).length });
    // Ogg has its length at its end: cut off, it does not know that it was longer.
    if (name !== "cut.ogg") expect(facts.notices).toMatchObject([{ code: "AUDIO_TRUNCATED", why: expect.stringMatching(/promises 8\.0 s; [34]\.\d s can be read/) as string }]);
  });

  test("no sound at all", async () => {
    const folder = temporaryFolder();
    const bytes = readFileSync(await make(join(folder, "a.wav"), ...tone));
    writeFileSync(join(folder, "empty.wav"), bytes.subarray(0, bytes.indexOf("data") + 8));
    expect(await refusal(join(folder, "empty.wav"))).toBe("AUDIO_EMPTY");
    const broken = await make(join(folder, "a.m4a"), ...tone);
    truncateSync(broken, Math.floor(statSync(broken).size / 2));
    expect(await refusal(broken)).toBe("AUDIO_UNREADABLE");
  });
});

describe("anything else", () => {
  test.each([
    ["text.mp3", "Dear diary, today …\n".repeat(100), "AUDIO_UNREADABLE"],
    ["text.PNG", "Dear diary, today …\n".repeat(100), "IMAGE_UNREADABLE"],
    ["page.wav", "<!doctype html><html></html>", "MEDIA_KIND_UNKNOWN"],
    ["list.mp3", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.wav\n#EXT-X-ENDLIST\n", "MEDIA_KIND_UNKNOWN"],
    ["list.wav", "ffconcat version 1.0\nfile secret.wav\n", "MEDIA_KIND_UNKNOWN"],
    ["picture.png", "%PDF-1.7", "MEDIA_KIND_UNKNOWN"],
    ["nothing.png", "", "MEDIA_EMPTY"],
    ["random.wav", Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * index * 31) % 251)), "AUDIO_UNREADABLE"],
    ["heic.jpg", Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypheic"), Buffer.alloc(100)]), "MEDIA_KIND_UNKNOWN"],
  ] as const)("%s", async (name, content, code) => {
    const folder = temporaryFolder();
    await make(join(folder, "secret.wav"), "-f", "lavfi", "-i", "sine=duration=1");
    writeFileSync(join(folder, name), content);
    expect(await refusal(join(folder, name))).toBe(code);
  });

  test("a list of other files under the name of a recording is not followed", async () => {
    const folder = temporaryFolder();
    await make(join(folder, "secret.wav"), "-f", "lavfi", "-i", "sine=duration=1");
    // A leading blank line gets past the look at the first bytes.
    writeFileSync(join(folder, "voice.wav"), "# a comment\nffconcat version 1.0\nfile secret.wav\n");
    expect(await refusal(join(folder, "voice.wav"))).toBe("AUDIO_UNREADABLE");
  });

  test("a missing file, a folder", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "sub"));
    expect(await refusal(join(folder, "gone.wav"))).toBe("MEDIA_NOT_FOUND");
    expect(await refusal(join(folder, "sub"))).toBe("MEDIA_NOT_FOUND");
  });

  test("names with a meaning for programs", async () => {
    const folder = temporaryFolder();
    const path = await make(join(folder, "plain.wav"), "-f", "lavfi", "-i", "sine=duration=0.5");
    for (const name of ["-i.wav", "50%d.wav", "a:b.wav", "名前 with 'quotes' \"and\" space.wav", "pipe:0"]) {
      writeFileSync(join(folder, name), readFileSync(path));
      expect(await probe(join(folder, name))).toMatchObject({ kind: "audio", samples: 22_050 });
    }
  });

  test("stops when it is told to", async () => {
    const path = await make(join(temporaryFolder(), "a.wav"), "-f", "lavfi", "-i", "sine=duration=60");
    await expect(probeMedia(testFfmpeg, path, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const controller = new AbortController();
    const sink = { begin: () => controller.abort(new Error("enough")), add: () => undefined };
    await expect(probeMedia(testFfmpeg, path, { signal: controller.signal, sink })).rejects.toThrow("enough");
  });
});
