import type { CheckedAudio, CheckedImage, EngineFinding } from "../../contract/engine-messages.schema.ts";
import type { Finding } from "../../contract/fault.schema.ts";
import type { MaterialCheck } from "../../contract/rpc.ts";

/** The engine's worker, as far as checks need it. Throws the worker's fault when it cannot run. */
export interface Checker {
  readonly checkImage: (path: string, size: Size) => Promise<CheckedImage>;
  readonly checkAudio: (path: string) => Promise<CheckedAudio>;
  readonly checkPrompt: (text: string) => Promise<readonly EngineFinding[]>;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** An imported file, by content. */
export interface CheckedFile {
  readonly kind: "image" | "audio";
  readonly path: string;
  readonly sha256: string;
}

/** Judges material before a render. What it says is advice; the user may go on. */
export interface Checks {
  /** `size` is the area budget of the quality, which decides the crop. Throws the engine's or the worker's fault. */
  readonly file: (file: CheckedFile, size: Size) => Promise<MaterialCheck>;
  readonly prompt: (text: string) => Promise<Finding[]>;
}

/** Answers are a few hundred bytes each. */
const MOST_REMEMBERED = 500;

/** The same content is not measured twice while the program runs. */
export function createChecks({ checker }: { readonly checker: () => Promise<Checker> }): Checks {
  const remembered = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const known = remembered.get(key) as Promise<T> | undefined;
    const answer = known ?? ask();
    remembered.delete(key);
    remembered.set(key, answer);
    // A refusal may have had to do with the worker: it is asked again next time.
    answer.catch(() => {
      if (remembered.get(key) === answer) remembered.delete(key);
    });
    const [oldest] = remembered.keys();
    if (remembered.size > MOST_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    return answer;
  };

  return {
    file: ({ kind, path, sha256 }, size) => {
      if (kind === "audio") return once(`audio ${sha256}`, async () => ofAudio(await (await checker()).checkAudio(path)));
      return once(`image ${sha256} ${String(size.width)}x${String(size.height)}`, async () => ofImage(await (await checker()).checkImage(path, { width: size.width, height: size.height })));
    },
    prompt: (text) => once(`prompt ${text}`, async () => (await (await checker()).checkPrompt(text)).map(findingOf)),
  };
}

function ofImage(image: CheckedImage): MaterialCheck {
  return {
    findings: image.findings.map(findingOf),
    crop: image.crop,
    faces: (image.faces ?? []).map(({ box, score }) => ({ ...box, score })),
    videoSize: image.video,
  };
}

function ofAudio(audio: CheckedAudio): MaterialCheck {
  return { findings: audio.findings.map(findingOf), crop: null, faces: [], videoSize: null };
}

function findingOf({ code, severity, measured, wanted, sentence }: EngineFinding): Finding {
  return { code, severity, measured: measured === null ? null : measuredText(measured), wanted: wanted === "" ? null : wanted, text: sentence };
}

/** Signs for the engine's units, readable in every language; the sentence beside says what was measured. Other units are shown as they are. */
const SIGNS: Readonly<Record<string, string>> = { pixels: "px", words: "", faces: "", sharpness: "", "of 255": "/ 255", "dB of full scale": "dB" };

function measuredText({ value, unit }: NonNullable<EngineFinding["measured"]>): string {
  if (unit.startsWith("share")) return `${shortNumber(value * 100)} %`;
  return `${shortNumber(value)} ${SIGNS[unit] ?? unit}`.trim();
}

/** At most two decimals, none where they say nothing. */
function shortNumber(value: number): string {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100);
}
