import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { clipIngredientsSchema, takeIngredientsSchema } from "../outputs.schema.ts";
import { clipsOfFrames, FRAMES_PER_BLOCK } from "../time.ts";
import type { EditCommand } from "./edit/commands.ts";
import type { ProjectDocument } from "./project-document.schema.ts";
import { type Ingredients, type Take, compileTakes, ingredientsOfTake } from "./takes.ts";
import { fadeAt } from "./take-sound.ts";
import { framesOfProject } from "./timeline.ts";
import { naiveTakes, type NaiveTake } from "./testing/naive-takes.ts";
import { randomDocument, silentEdit, timelineEdit, tryEdit } from "./testing/random-edits.ts";
import { counter, edited, recording, sampleDocument } from "./testing/sample-document.ts";

// Many random cases, on machines that do other things as well.
vi.setConfig({ testTimeout: 60_000 });

const document = sampleDocument();

function takesOf(document: ProjectDocument): readonly Take[] {
  const compilation = compileTakes(document);
  return compilation.renderable ? compilation.takes : [];
}

function allIngredients(document: ProjectDocument): { id: string; start: number; ingredients: Ingredients }[] {
  return takesOf(document).map((take) => ({ id: take.id, start: take.start, ingredients: ingredientsOfTake(document, take, "final") }));
}

describe("takes", () => {
  it("begin where the picture changes", () => {
    expect(takesOf(document).map(({ id, start, frames, portraitMediaId }) => ({ id, start, frames, portraitMediaId }))).toEqual([
      { id: "p1", start: 0, frames: 200, portraitMediaId: "ana" },
      { id: "p2", start: 200, frames: 100, portraitMediaId: "ben" },
    ]);
  });

  it("end with the sound, muted or not, and picture and prompt hold on", () => {
    const muted = edited(document, { type: "setTrackMuted", trackId: "v1", muted: true }, { type: "deleteSegments", ids: ["p2"], ripple: "none" });
    const takes = takesOf(muted);
    expect(takes.map(({ id, frames }) => ({ id, frames }))).toEqual([{ id: "p1", frames: 300 }]);
    expect(takes[0]?.prompts).toEqual([
      { startBlock: 0, text: "calm" },
      { startBlock: 10, text: "happy" },
    ]);
  });

  it("take a prompt up at the next block of the take", () => {
    const prompts = (frame: number): unknown => takesOf(edited(document, { type: "moveSegments", ids: ["t2"], byFrames: frame - 120, byTracks: 0 })).map((take) => take.prompts);
    const calm = { startBlock: 0, text: "calm" };
    expect(prompts(119)).toEqual([[calm, { startBlock: 10, text: "happy" }], [{ startBlock: 0, text: "happy" }]]);
    expect(prompts(121)).toEqual([[calm, { startBlock: 11, text: "happy" }], [{ startBlock: 0, text: "happy" }]]);
    // Too late for the first take's last block; the second take's blocks count from 200.
    expect(prompts(193)).toEqual([[calm], [{ startBlock: 0, text: "happy" }]]);
    expect(prompts(201)).toEqual([[calm], [calm, { startBlock: 1, text: "happy" }]]);
  });

  it("say what a timeline lacks", () => {
    const lacks = (changed: ProjectDocument): unknown => {
      const compilation = compileTakes(changed);
      return compilation.renderable ? [] : compilation.lacks;
    };
    expect(lacks({ ...document, portraits: [], prompts: [], audioTracks: [] })).toEqual(["portrait", "prompt", "audio"]);
    expect(lacks({ ...document, prompts: document.prompts.map((segment) => ({ ...segment, text: " \n" })) })).toEqual(["prompt"]);
    expect(lacks(document)).toEqual([]);
  });

  it("give the engine's words for the settings of a quality", () => {
    const take = takesOf(document)[0];
    if (take === undefined) throw new Error("no take");
    const { take: common } = ingredientsOfTake(document, take, "preview");
    expect(common).toEqual({ portrait: document.media[0]?.sha256, width: 384, height: 256, sampleSteps: 3, inferFrames: 48, baseSeed: 7, model: "demo" });
    expect(ingredientsOfTake(document, take, "final").take).toMatchObject({ width: 704, height: 384, sampleSteps: 4 });
  });
});

describe("the sound of a take", () => {
  it("is cut at its edges and keeps its fades there", () => {
    const faded = edited(document, { type: "moveSegments", ids: ["a3"], byFrames: -20, byTracks: 0 }, { type: "setFade", id: "a3", edge: "in", frames: 40 });
    const [first, second] = takesOf(faded);
    const last = first?.sound.pieces[first.sound.pieces.length - 1];
    expect(last).toMatchObject({ mediaId: "talk", start: 180, duration: 20, sourceStart: 960_000, fadeIn: { frames: 40, outside: 0 } });
    expect(second?.sound.pieces).toMatchObject([{ start: 0, duration: 80, sourceStart: 998_400, fadeIn: { frames: 40, outside: 20 }, fadeOut: { frames: 0, outside: 0 } }]);
  });

  it("has cuts where an utterance begins or ends", () => {
    // a1 to 100, a2 and b1 from 100 to 155 overlap, then silence.
    expect(takesOf(document)[0]?.sound.speechCuts).toEqual([100, 155]);
  });

  it("is nothing at the lowest gain", () => {
    const silent = edited(document, { type: "setSegmentGain", ids: ["b1"], gainDecibels: -48 }, { type: "setTrackGain", trackId: "v2", gainDecibels: -12 });
    expect(takesOf(silent)[0]?.sound.pieces.map((piece) => piece.mediaId)).toEqual(["talk", "talk"]);
  });
});

/** What a clip hears and shows, worked out from single frames. Far longer than an utterance goes on, so that its end is always seen. */
function naiveClip(take: NaiveTake, clip: number, inferFrames: number): { prompts: string; sound: string } {
  const from = clip * inferFrames;
  const to = Math.min(from + inferFrames, take.heard.length);
  const bounds = [0, ...take.cuts, take.heard.length];
  const utterances = bounds.slice(1).map((end, index) => ({ start: bounds[index] ?? 0, end }));
  const under = utterances.filter((utterance) => utterance.start < to && utterance.end > from);
  const text = (frame: number): string => (take.heard[frame] ?? []).map((one) => `${one.mediaId} ${one.sample} ${one.gain} ${one.fade.toFixed(9)}`).sort().join("+");
  return {
    prompts: JSON.stringify(take.blocks.slice(from / FRAMES_PER_BLOCK, Math.ceil(to / FRAMES_PER_BLOCK))),
    sound: JSON.stringify(under.map(({ start, end }) => [start, [...Array(end - start).keys()].map((frame) => text(start + frame))])),
  };
}

/** Long enough for all, and no utterance longer than what a clip hears of it. */
const shortDocument = randomDocument.filter((random) => framesOfProject(random) <= 800);

describe("for any timeline", () => {
  it("takes are what its rules say, frame by frame", () => {
    fc.assert(
      fc.property(shortDocument, (random) => {
        const compilation = compileTakes(random);
        fc.pre(compilation.renderable);
        const naive = naiveTakes(random);
        expect(compilation.frames).toBe(naive.frames);
        expect(compilation.takes.map((take) => take.start)).toEqual(naive.takes.map((take) => take.start));
        compilation.takes.forEach((take, index) => {
          const wanted = naive.takes[index];
          if (wanted === undefined) throw new Error("a take too many");
          expect(take.frames).toBe(wanted.heard.length);
          expect(take.portraitMediaId).toBe(wanted.portrait);
          expect(take.sound.speechCuts).toEqual(wanted.cuts);
          const blocks = wanted.blocks.map((_, block) => take.prompts.filter((prompt) => prompt.startBlock <= block).pop()?.text);
          expect(blocks).toEqual(wanted.blocks);
          wanted.heard.forEach((heard, frame) => {
            const pieces = take.sound.pieces.filter((piece) => piece.start <= frame && frame < piece.start + piece.duration);
            expect(pieces).toHaveLength(heard.length);
            for (const one of heard) {
              const rate = random.media.find((media) => media.id === one.mediaId && media.kind === "audio")?.sampleRate;
              const same = pieces.some((piece) => {
                const sample = piece.sourceStart + ((frame - piece.start) * Number(rate)) / 25;
                // At a rate that is no multiple of 25, cuts are rounded to samples.
                const near = Math.abs(sample - one.sample) <= (Number(rate) % 25 === 0 ? 0 : 25);
                return piece.mediaId === one.mediaId && near && piece.gainDecibels === one.gain && Math.abs(fadeAt(piece, frame - piece.start + 0.5) - one.fade) < 1e-9;
              });
              expect(same).toBe(true);
            }
          });
        });
      }),
      { numRuns: 60 },
    );
  });

  it("ingredients fit the contract and cover each take", () => {
    fc.assert(
      fc.property(shortDocument, (random) => {
        for (const take of takesOf(random)) {
          const { take: common, clips } = ingredientsOfTake(random, take, "final");
          expect(takeIngredientsSchema.safeParse(common).success).toBe(true);
          expect(clips).toHaveLength(clipsOfFrames(take.frames, common.inferFrames));
          expect(clips.reduce((sum, clip) => sum + clip.frames, 0)).toBe(take.frames);
          for (const clip of clips) {
            expect(clipIngredientsSchema.safeParse(clip).success).toBe(true);
            expect(clip.prompts.reduce((sum, [blocks]) => sum + blocks, 0)).toBe(Math.ceil(clip.frames / FRAMES_PER_BLOCK));
            expect(clip.sound.length).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("an edit changes the ingredients of exactly those clips that show or hear something else", () => {
    let changedClips = 0;
    fc.assert(
      fc.property(shortDocument, timelineEdit, (random, edit) => {
        fc.pre(random.media.every((media) => media.kind !== "audio" || media.sampleRate % 25 === 0 || media.id === "odd"));
        const before = { ...random, audioTracks: random.audioTracks.map((track) => ({ ...track, segments: track.segments.filter((segment) => segment.mediaId !== "odd") })) };
        const after = tryEdit(before, edit, counter("e"));
        fc.pre(framesOfProject(after) <= 1_200 && after.settings.inferFrames === before.settings.inferFrames && !JSON.stringify(after.audioTracks).includes('"odd"'));
        fc.pre(after.media.every((media) => media.kind !== "audio" || media.sampleRate % 25 === 0 || media.id === "odd"));
        const { inferFrames } = before.settings;
        const [naiveBefore, naiveAfter] = [naiveTakes(before), naiveTakes(after)];
        const [takesBefore, takesAfter] = [allIngredients(before), allIngredients(after)];
        takesBefore.forEach((old, oldIndex) => {
          const newIndex = takesAfter.findIndex((take) => take.id === old.id);
          const [oldNaive, newNaive, now] = [naiveBefore.takes[oldIndex], naiveAfter.takes[newIndex], takesAfter[newIndex]];
          if (oldNaive === undefined || newNaive === undefined || now === undefined) return;
          old.ingredients.clips.forEach((clip, index) => {
            const other = now.ingredients.clips[index];
            if (other === undefined) return;
            const wanted = naiveClip(oldNaive, index, inferFrames);
            const found = naiveClip(newNaive, index, inferFrames);
            // Files are told apart by content: replacing one under the same id changes what is heard.
            const sameFiles = before.media === after.media;
            expect(JSON.stringify(clip.prompts) === JSON.stringify(other.prompts)).toBe(wanted.prompts === found.prompts);
            if (sameFiles) expect(JSON.stringify(clip.sound) === JSON.stringify(other.sound)).toBe(wanted.sound === found.sound);
            if (wanted.sound !== found.sound || wanted.prompts !== found.prompts) changedClips += 1;
          });
        });
      }),
      { numRuns: 200 },
    );
    expect(changedClips).toBeGreaterThan(20);
  });

  it("edits that nobody sees or hears change no ingredients", () => {
    fc.assert(
      fc.property(shortDocument, fc.array(silentEdit, { minLength: 1, maxLength: 5 }), (random, edits) => {
        const newId = counter("e");
        const after = edits.reduce((present, edit) => tryEdit(present, edit, newId), random);
        expect(allIngredients(after)).toEqual(allIngredients(random));
      }),
      { numRuns: 100 },
    );
  });

  it("a split outside fades changes no ingredients, at any sample rate", () => {
    fc.assert(
      fc.property(shortDocument, fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 6 }), (random, frames) => {
        const newId = counter("e");
        const outsideFades = (document: ProjectDocument, frame: number): boolean =>
          document.audioTracks.every((track) => track.segments.every(({ start, duration, fadeIn, fadeOut }) => frame <= start || frame >= start + duration || (frame >= start + fadeIn && frame <= start + duration - fadeOut)));
        const after = frames.reduce((present, frame) => (outsideFades(present, frame) ? tryEdit(present, () => ({ type: "split", frame, target: { kind: "all" } }), newId) : present), random);
        expect(allIngredients(after)).toEqual(allIngredients(random));
      }),
      { numRuns: 150 },
    );
  });

  it("cuts in any order are heard as one piece, also where frames begin between samples", () => {
    const one = edited({ ...document, audioTracks: document.audioTracks.slice(0, 1).map((track) => ({ ...track, segments: [] })) }, { type: "addSegment", start: 3, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "odd", sourceStart: 0, duration: null } });
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 4, max: 40 }), { minLength: 2, maxLength: 10 }), (frames) => {
        const cut = edited(one, ...frames.map((frame): EditCommand => ({ type: "split", frame, target: { kind: "tracks", tracks: [{ kind: "audio", trackId: "v1" }] } })));
        expect(cut.audioTracks[0]?.segments).toHaveLength(frames.length + 1);
        expect(allIngredients(cut)).toEqual(allIngredients(one));
      }),
    );
  });

  it("what happens on a muted track changes no ingredients while the length stays", () => {
    fc.assert(
      fc.property(shortDocument, fc.integer({ min: -100, max: 100 }), (random, byFrames) => {
        const muted = edited(random, { type: "setTrackMuted", trackId: random.audioTracks[0]?.id ?? "", muted: true });
        const ids = (muted.audioTracks[0]?.segments ?? []).map((segment) => segment.id);
        const moved = tryEdit(muted, () => ({ type: "moveSegments", ids, byFrames, byTracks: 0 }), counter("e"));
        const [before, after] = [compileTakes(muted), compileTakes(moved)];
        fc.pre(before.renderable && after.renderable && before.frames === after.frames);
        expect(allIngredients(moved)).toEqual(allIngredients(muted));
      }),
      { numRuns: 100 },
    );
  });
});

it("it does not matter on which tracks sound lies", () => {
  const { audioTracks } = document;
  const together = edited(document, { type: "moveSegments", ids: ["b1"], byFrames: -20, byTracks: 0 });
  const swapped = { ...together, audioTracks: [...together.audioTracks].reverse() };
  expect(together.audioTracks[1]?.segments[0]?.start).toBe(audioTracks[0]?.segments[1]?.start);
  expect(allIngredients(swapped)).toEqual(allIngredients(together));
});

describe("a long recording", () => {
  const tenMinutes = recording("long", 600 * 48_000, 48_000);
  const long = edited(
    { ...document, media: [...document.media, tenMinutes], audioTracks: document.audioTracks.map((track) => ({ ...track, segments: [] })), portraits: document.portraits.slice(0, 1) },
    { type: "addSegment", start: 0, ripple: "none", content: { kind: "audio", trackId: "v1", mediaId: "long", sourceStart: 0, duration: null } },
  );
  /** First clip that an edit gives other sound. */
  const firstChanged = (...commands: Parameters<typeof edited>[1][]): number | undefined => {
    const [before, after] = [long, edited(long, ...commands)].map((one) => allIngredients(one)[0]?.ingredients.clips ?? []);
    return before?.findIndex((clip, index) => JSON.stringify(clip.sound) !== JSON.stringify(after?.[index]?.sound));
  };

  it("is heard a minute ahead: an edit at five minutes leaves the first four as they were", () => {
    const edit = 7_500;
    const firstThatHearsIt = Math.ceil((edit - 62 * 25) / 48) - 1;
    expect(firstChanged({ type: "split", frame: edit, target: { kind: "all" } }, { type: "deleteSegments", ids: ["n2"], ripple: "none" })).toBe(firstThatHearsIt);
    expect(firstThatHearsIt * 48).toBeGreaterThan(edit - 65 * 25);
  });

  it("says all of it again when its beginning changes", () => {
    expect(firstChanged({ type: "trimSegment", id: "n1", edge: "start", toFrame: 1, mode: "stop" })).toBe(0);
  });
});
