import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { exampleAddress } from "../../contract/addresses.ts";
import { FaultError } from "../common/fault-error.ts";
import { type Logger } from "../common/logger.ts";
import { type Probe } from "./media-import.ts";

/** A shipped example: a folder with a portrait, a voice and a prompt. */
export interface Example {
  readonly id: string;
  readonly name: string;
  readonly prompt: string;
  readonly seconds: number;
  readonly thumbnail: string;
  readonly portraitUrl: string;
  readonly voiceUrl: string;
}

export interface Examples {
  readonly list: () => Promise<readonly Example[]>;
  /** Throws EXAMPLE_UNKNOWN. */
  readonly fileOf: (id: string, file: "portrait" | "voice") => Promise<string>;
  readonly promptOf: (id: string) => Promise<string>;
}

const FILES = { portrait: "portrait.png", voice: "voice.wav" } as const;

export function createExamples(dependencies: { readonly folder: string; readonly probe: Probe; readonly logger: Logger }): Examples {
  const { folder } = dependencies;
  let described: Promise<readonly Example[]> | null = null;

  /** What is listed here is all that an address can name: ids are compared, never joined to paths unseen. */
  const ids = async (): Promise<readonly string[]> => (await readdir(folder, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory() && /^[a-z0-9-]{1,40}$/.test(entry.name)).map((entry) => entry.name);

  const known = async (id: string): Promise<string> => {
    if ((await ids()).includes(id)) return join(folder, id);
    throw new FaultError({ code: "EXAMPLE_UNKNOWN", what: "There is no such example.", why: "It is not shipped with this version.", hint: "Choose another one." });
  };

  async function describe(id: string): Promise<readonly Example[]> {
    try {
      const prompt = await readPrompt(join(folder, id));
      const voice = await dependencies.probe(join(folder, id, FILES.voice));
      const seconds = voice.kind === "audio" ? voice.samples / voice.sampleRate : 0;
      return [{ id, name: nameOf(id), prompt, seconds, thumbnail: exampleAddress(id, "portrait"), portraitUrl: exampleAddress(id, "portrait"), voiceUrl: exampleAddress(id, "voice") }];
    } catch (error) {
      dependencies.logger.warning("an example cannot be used", { example: id, error });
      return [];
    }
  }

  const describeAll = async (): Promise<readonly Example[]> => (await Promise.all((await ids()).map(describe))).flat();

  return {
    list: async () => {
      described ??= describeAll();
      const list = await described;
      // Perhaps the media tools were not ready yet.
      if (list.length === 0) described = null;
      return list;
    },
    fileOf: async (id, file) => join(await known(id), FILES[file]),
    promptOf: async (id) => readPrompt(await known(id)),
  };
}

async function readPrompt(folder: string): Promise<string> {
  return (await readFile(join(folder, "prompt.txt"), "utf8")).trim();
}

function nameOf(id: string): string {
  return id.slice(0, 1).toUpperCase() + id.slice(1);
}
