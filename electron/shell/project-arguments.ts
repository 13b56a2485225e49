import { resolve } from "node:path";

/** What a second start tells the first one. */
export interface StartArguments {
  readonly arguments: readonly string[];
  readonly workingFolder: string;
}

/**
 * Projects named on a command line, by a double-click or a drop on the icon, as absolute paths.
 * @param isFile whether the path is a file that exists
 */
export function projectArguments({ arguments: words, workingFolder }: StartArguments, isFile: (path: string) => boolean): string[] {
  const paths = words.filter((word) => !word.startsWith("-") && word.toLowerCase().endsWith(".avatar")).map((word) => resolve(workingFolder, word));
  return [...new Set(paths)].filter(isFile);
}
