import { expect, test } from "vitest";
import { findingSchema } from "../../contract/fault.schema.ts";
import { materialCheckSchema } from "../../contract/rpc.ts";
import { FaultError } from "../common/fault-error.ts";
import { type Checker, createChecks } from "./checks.ts";

const finding = { code: "IMAGE_SMALL", severity: "note", measured: { value: 480.126, unit: "pixels" }, wanted: "at least 512 pixels", sentence: "The picture is small." } as const;
const image = { width: 480, height: 640, video: { width: 384, height: 512 }, crop: { x: 0, y: 4, width: 480, height: 632 }, faces: [{ box: { x: 1, y: 2, width: 3, height: 4 }, score: 0.9, frontal: true }], findings: [finding] };
const audio = { seconds: 2, measured_seconds: 2, sample_rate: 48_000, channels: 1, codec: "pcm_s16le", loudness: -20, peak: -1, speech_share: 0.8, findings: [{ ...finding, measured: null, wanted: "" }] };

function counting(): { readonly asked: string[]; readonly checker: () => Promise<Checker> } {
  const asked: string[] = [];
  const checker: Checker = {
    checkImage: (path, size) => {
      asked.push(`${path} ${String(size.width)}`);
      return Promise.resolve(image);
    },
    checkAudio: (path) => {
      asked.push(path);
      return Promise.resolve(audio);
    },
    checkPrompt: (text) => {
      asked.push(text);
      return Promise.resolve([finding]);
    },
  };
  return { asked, checker: () => Promise.resolve(checker) };
}

test("answers of the engine in the words of the contract", async () => {
  const checks = createChecks(counting());
  const seen = await checks.file({ kind: "image", path: "/a", sha256: "1" }, { width: 384, height: 256 });
  expect(materialCheckSchema.parse(seen)).toEqual({
    findings: [{ code: "IMAGE_SMALL", severity: "note", measured: "480 px", wanted: "at least 512 pixels", text: "The picture is small." }],
    crop: image.crop,
    faces: [{ x: 1, y: 2, width: 3, height: 4, score: 0.9 }],
    videoSize: { width: 384, height: 512 },
  });
  expect(await checks.file({ kind: "audio", path: "/b", sha256: "2" }, { width: 384, height: 256 })).toMatchObject({ findings: [{ measured: null, wanted: null }], crop: null });
  expect(findingSchema.array().parse(await checks.prompt("A woman smiles"))).toHaveLength(1);
});

test("measured values have no words in them", async () => {
  const say = async (value: number, unit: string) => {
    const checker = { ...(await counting().checker()), checkPrompt: () => Promise.resolve([{ ...finding, measured: { value, unit } }]) };
    return (await createChecks({ checker: () => Promise.resolve(checker) }).prompt(`${String(value)} ${unit}`))[0]?.measured;
  };
  expect(await Promise.all([say(0.614, "share of height"), say(190.3, "of 255"), say(-3.21, "dB of full scale"), say(236.26, "sharpness"), say(22_050, "Hz"), say(36, "words")])).toEqual(["61.4 %", "190 / 255", "-3.21 dB", "236", "22050 Hz", "36"]);
});

test("the same content is asked once, another size anew", async () => {
  const { asked, checker } = counting();
  const checks = createChecks({ checker });
  const file = { kind: "image", path: "/a", sha256: "1" } as const;
  await Promise.all([checks.file(file, { width: 384, height: 256 }), checks.file({ ...file, path: "/copy" }, { width: 384, height: 256 })]);
  await checks.file(file, { width: 704, height: 384 });
  await checks.prompt("one");
  await checks.prompt("one");
  expect(asked).toEqual(["/a 384", "/a 704", "one"]);
});

test("a worker that cannot run is told in words, and asked again later", async () => {
  const { checker } = counting();
  const broken = new FaultError({ code: "RUNTIME_MISSING", what: "The engine is not set up.", why: "It is not there.", hint: "Run the set-up." });
  let works = false;
  const checks = createChecks({ checker: () => (works ? checker() : Promise.reject(broken)) });
  await expect(checks.prompt("one")).rejects.toBe(broken);
  works = true;
  expect(await checks.prompt("one")).toHaveLength(1);
});
