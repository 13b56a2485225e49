import { readFile, writeFile } from "node:fs/promises";
import { captionsPathOf } from "../../common/captions-path.ts";
import { exists, writeWhole } from "../cached-file.ts";

/** Writes captions beside a video, and answers where. A file of somebody else that has the name already is left as it is: another name is taken. */
export async function writeBeside(videoPath: string, text: string): Promise<string> {
  const wanted = captionsPathOf(videoPath);
  for (let number = 1; ; number += 1) {
    const path = number === 1 ? wanted : wanted.replace(/\.srt$/, ` ${String(number)}.srt`);
    if (await exists(path)) {
      if ((await readFile(path, "utf8")) === text) return path;
      continue;
    }
    await writeWhole(path, (temporary) => writeFile(temporary, text));
    return path;
  }
}
