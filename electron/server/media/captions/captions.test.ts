import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import { type Cue, cuesOfMarkers, cutCues, oneAtATime } from "./cues.ts";
import { parseCaptions } from "./parse-captions.ts";
import { isMeantAsCaptions, readCaptions } from "./read-captions.ts";
import { asSubRip, asWebVtt } from "./write-captions.ts";

const marker = (frame: number, label: string) => ({ id: String(frame), frame, label });
const cue = (start: number, end: number, text: string): Cue => ({ start, end, text });
const cuesOf = (text: string): readonly Cue[] => {
  const parsed = parseCaptions(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problem));
  return parsed.cues;
};

describe("captions of markers", () => {
  test("each marker's words last to the next marker or the end", () => {
    const markers = [marker(75, "Second"), marker(0, "First"), marker(150, ""), marker(90_000, "In an hour\n\n and later ")];
    expect(cuesOfMarkers(markers, 90_025)).toEqual([cue(0, 3_000, "First"), cue(3_000, 6_000, "Second"), cue(3_600_000, 3_601_000, "In an hour\nand later")]);
    expect(cuesOfMarkers([marker(30, "Behind the end")], 25)).toEqual([]);
  });
});

describe("a part of the video", () => {
  test("has its own captions, in order, cut at its edges, with times from its start", () => {
    const cues = [cue(2_000, 9_000, "Over the end"), cue(0, 1_500, "Over the start"), cue(0, 1_000, "Before"), cue(3_000, 4_000, "After")];
    expect(cutCues(cues, { start: 25, end: 75 })).toEqual([cue(0, 500, "Over the start"), cue(1_000, 2_000, "Over the end")]);
    expect(cutCues(cues, { start: 25, end: 25 })).toEqual([]);
  });
});

describe("a track shows one caption at a time", () => {
  test("what is shown together becomes one caption", () => {
    expect(oneAtATime([cue(500, 2_000, "One"), cue(1_000, 3_000, "Two"), cue(3_500, 4_000, "Three")])).toEqual([cue(500, 1_000, "One"), cue(1_000, 2_000, "One\nTwo"), cue(2_000, 3_000, "Two"), cue(3_500, 4_000, "Three")]);
  });

  test("at every moment the same words are shown", () => {
    const random = fc.array(fc.record({ start: fc.integer({ min: 0, max: 20 }), length: fc.integer({ min: 1, max: 8 }), text: fc.constantFrom("a", "b", "c") }), { maxLength: 8 });
    fc.assert(
      fc.property(random, (some) => {
        const cues = some.map(({ start, length, text }) => cue(start, start + length, text)).sort((one, other) => one.start - other.start || one.end - other.end);
        const track = oneAtATime(cues);
        track.forEach((one, index) => expect(one.start).toBeGreaterThanOrEqual(track[index - 1]?.end ?? 0));
        for (let moment = 0; moment < 30; moment += 1) {
          const shown = (list: readonly Cue[]) => list.filter((one) => one.start <= moment && moment < one.end).map((one) => one.text);
          expect(shown(track)).toEqual(shown(cues).length === 0 ? [] : [shown(cues).join("\n")]);
        }
      }),
    );
  });
});

describe("a captions file is read", () => {
  test("as SubRip, as programs write it", () => {
    const text = "\ufeff1\r\n00:00:01,000 --> 00:00:02,500 X1:10 X2:20\r\n<I>Hello</I> {\\an8}<font color=\"red\">there</font>\r\n- 1 < 2\r\n\r\n\r\n2\r\n01:02:03.004 --> 01:02:04.005\r\n你好\r\n\r\n3\n00:10:00,000 --> 00:10:01,000\n\n0:20:00,000 --> 0:20:01,000\nWithout a number";
    expect(cuesOf(text.slice(1))).toEqual([cue(1_000, 2_500, "<i>Hello</i> there\n- 1 < 2"), cue(3_723_004, 3_724_005, "你好"), cue(1_200_000, 1_201_000, "Without a number")]);
  });

  test("as WebVTT, without what is no caption", () => {
    const text = "WEBVTT - words\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnothing here\n\nintro\n00:01.000 --> 00:02.000 line:10%\n<v Ann>Tom &amp; <b.loud>Ann</b> <00:01.500><c.yellow>go</c>\n\n1:00:00.000 --> 1:00:01.000\n1 &lt; 2\n";
    expect(cuesOf(text)).toEqual([cue(1_000, 2_000, "Tom & <b>Ann</b> go"), cue(3_600_000, 3_601_000, "1 < 2")]);
  });

  test.each([
    ["", { kind: "noCaptions" }],
    ["WEBVTT\n\nNOTE nothing\n", { kind: "noCaptions" }],
    ["1\n00:00:01,000 --> 00:00:02,000\nHello\n\nand on\nwithout times\n", { kind: "noTimes", line: 6, found: "without times" }],
    ["1\n00:00:61,000 --> 00:01:02,000\nHello\n", { kind: "noTimes", line: 2, found: "00:00:61,000 --> 00:01:02,000" }],
    ["1\n00:00:01,000 -> 00:00:02,000\nHello\n", { kind: "noTimes", line: 2, found: "00:00:01,000 -> 00:00:02,000" }],
    ["\n\n1\n00:00:02,000 --> 00:00:02,000\nHello\n", { kind: "endsBeforeStart", line: 4 }],
    ["1\n00:00:01,000 --> 00:00:02,000\nHello\n2\n00:00:03,000 --> 00:00:04,000\nAgain\n", { kind: "noEmptyLineBefore", line: 5 }],
    ["Just a text.", { kind: "noTimes", line: 1, found: "Just a text." }],
  ])("%j is refused with its line", (text, problem) => {
    expect(parseCaptions(text)).toEqual({ ok: false, problem });
  });

  test("no text makes it fail", () => {
    const piece = fc.constantFrom("1", "WEBVTT", "00:00:01,000 --> 00:00:02,000", "00:00:02.000 --> 00:00:01.000", "-->", "", "<b", "&amp;", "NOTE", "words", "\r", "\u2028");
    fc.assert(fc.property(fc.array(piece), (lines) => void parseCaptions(lines.join("\n"))));
  });
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-captions-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const SRT = "1\n00:00:01,000 --> 00:00:02,000\nGrüße\n";

  test("are UTF-8 or UTF-16, or refused", async () => {
    const utf16 = Buffer.from(`\ufeff${SRT}`, "utf16le");
    for (const bytes of [Buffer.from(SRT), Buffer.from(`\ufeff${SRT}`), utf16, Buffer.from(utf16).swap16()]) expect(await readCaptions(file("a.srt", bytes), "a.srt")).toEqual([cue(1_000, 2_000, "Grüße")]);
    await expect(readCaptions(file("b.srt", Buffer.from(SRT, "latin1")), "b.srt")).rejects.toMatchObject({ fault: { code: "CAPTIONS_ENCODING", what: 'The captions "b.srt" cannot be read.' } });
  });

  test("are refused in words", async () => {
    await expect(readCaptions(file("c.srt", "1\nno times\n"), "c.srt")).rejects.toMatchObject({ fault: { code: "CAPTIONS_UNREADABLE", why: 'Line 2 should hold times such as 00:00:01,000 --> 00:00:04,000, and holds "no times".' } });
    await expect(readCaptions(file("d.vtt", "WEBVTT\n"), "d.vtt")).rejects.toMatchObject({ fault: { code: "CAPTIONS_EMPTY" } });
    await expect(readCaptions(file("e.srt", Buffer.alloc(10_000_001, "x")), "e.srt")).rejects.toMatchObject({ fault: { code: "CAPTIONS_TOO_LARGE" } });
  });

  test("are known by what is in them, and when that is not quite right by their name", () => {
    expect([isMeantAsCaptions(Buffer.from(SRT), "words.txt"), isMeantAsCaptions(Buffer.from("WEBVTT\n"), "x"), isMeantAsCaptions(Buffer.from("no times"), "x.SRT")]).toEqual([true, true, true]);
    expect([isMeantAsCaptions(Buffer.from("ID3\u0004"), "song.mp3"), isMeantAsCaptions(Buffer.from("{}"), "x.json")]).toEqual([false, false]);
  });

  test("that are written are read again as they were, whatever their words are", () => {
    const cues = [cue(400, 2_000, "one\n2\n00:00:00,000 --> 00:01:00,000"), cue(2_000, 3_840, "Tom & <b>Ann</b>, 1 < 2 > 0 &lt;"), cue(3_600_000, 3_600_040, "你好")];
    for (const text of [asSubRip(cues), asWebVtt(cues)]) expect(cuesOf(text)).toEqual([cue(400, 2_000, "one\n2\n00:00:00,000 → 00:01:00,000"), ...cues.slice(1)]);
    expect(asSubRip([])).toBe("");
  });
});
