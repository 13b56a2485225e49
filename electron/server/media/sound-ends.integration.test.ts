import { closeSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decoded, make, temporaryFolder, testFfmpeg } from "./media-test-support.ts";
import { measureByEnds, readStretch } from "./sound-ends.ts";

// A little over ten minutes, ending in the middle of a packet of every format.
const LONG = ["-f", "lavfi", "-i", "anoisesrc=duration=612.3457:sample_rate=16000:amplitude=0.3:seed=1"];
const measure = (path: string): ReturnType<typeof measureByEnds> => measureByEnds(testFfmpeg, path);

describe("a long recording is measured by its ends as decoding all of it would", () => {
  test.each([
    ["a.mp3", ["-b:a", "32k"]],
    ["variable.mp3", ["-q:a", "8"]],
    ["a.m4a", ["-b:a", "32k"]],
    ["stereo.m4a", ["-ac", "2", "-b:a", "32k"]],
    ["a.wav", []],
    ["a.flac", []],
    ["a.opus", ["-c:a", "libopus", "-b:a", "16k"]],
  ] as const)("%s", async (name, options) => {
    const path = await make(join(temporaryFolder(), name), ...LONG, ...options);
    const found = await measure(path);
    const channels = name === "stereo.m4a" ? 2 : 1;
    expect(found).toMatchObject({ channels, samples: (await decoded(path)).length / channels });
  });
});

describe("whatever is odd is left to a whole pass", () => {
  test("short ones, other containers, and a header without a length", async () => {
    const folder = temporaryFolder();
    expect(await measure(await make(join(folder, "short.mp3"), "-f", "lavfi", "-i", "sine=duration=30"))).toBeNull();
    expect(await measure(await make(join(folder, "a.mka"), ...LONG, "-c:a", "aac", "-b:a", "32k"))).toBeNull();
    expect(await measure(await make(join(folder, "bare.mp3"), ...LONG, "-b:a", "32k", "-write_xing", "0"))).toBeNull();
  });

  test("a file that is cut off, or damaged at its end", async () => {
    const folder = temporaryFolder();
    const cut = await make(join(folder, "cut.mp3"), ...LONG, "-b:a", "32k");
    truncateSync(cut, Math.floor(statSync(cut).size / 2));
    expect(await measure(cut)).toBeNull();
    const damaged = await make(join(folder, "damaged.m4a"), ...LONG, "-b:a", "32k", "-movflags", "+faststart");
    const file = openSync(damaged, "r+");
    writeSync(file, Buffer.alloc(40_000, 0xff), 0, 40_000, statSync(damaged).size - 40_000);
    closeSync(file);
    expect(await measure(damaged)).toBeNull();
  });
});

test("a list with a gap, of another clock, or empty is no stretch", () => {
  const list = (clock: string, ...lines: readonly string[]): string => `#tb 0: ${clock}\n#sample_rate 0: 44100\n${lines.map((line) => `0, ${line}, 0x1\n`).join("")}`;
  const [first, next, later] = ["10, 10, 5, 10", "15, 15, 5, 10", "16, 16, 5, 10"];
  expect(readStretch(list("1/44100", first, next))).toEqual({ sampleRate: 44_100, channels: 1, start: 10, end: 20 });
  expect([list("1/44100", first, later), list("1/1000", first, next), list("1/44100"), ""].map(readStretch)).toEqual([null, null, null, null]);
});
