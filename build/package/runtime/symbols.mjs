import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { SetupError } from "../../setup/user-error.mjs";
import { isElf } from "./elf.mjs";
import { hasProgram, mustRun } from "./run.mjs";
import { filesBelow } from "./tree.mjs";

/**
 * Take debugging symbols out of every program and library that has some. The others stay byte for byte: what a wheel's makers have moved about, strip can spoil.
 * @param {string} folder
 * @throws {SetupError}
 */
export function stripSymbols(folder) {
  if (!hasProgram("strip") || !hasProgram("readelf")) throw new SetupError("The programs strip and readelf are missing.", "They take debugging symbols out of libraries.", "Install them (Debian, Ubuntu: apt install binutils).");
  for (const file of filesBelow(folder).filter((name) => /\.so(\.|$)|(^|\/)bin\//.test(name)).map((name) => join(folder, name)).filter(isElf)) {
    const sections = spawnSync("readelf", ["-SW", file], { encoding: "utf8" }).stdout ?? "";
    if (sections.includes(".debug_info")) mustRun("strip", ["--strip-debug", file], { doing: `stripping ${file}` });
  }
}
