import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SetupError } from "../../setup/user-error.mjs";
import { standardTexts } from "../licences/standard-texts.mjs";
import { mustRun } from "./run.mjs";

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {string} version
 * @property {string} licence
 * @property {{ name: string, text: string }[]} texts
 */

/**
 * Put the licence of every part into the tree, and list the parts.
 * @param {import("./tree.mjs").TreePaths} tree
 * @param {string} lock its packages
 * @param {readonly string[]} systemFiles libraries copied from the build machine
 * @returns {{ name: string, version: string, licence: string }[]}
 * @throws {SetupError} for a part without licence or text
 */
export function collectLicences(tree, lock, systemFiles) {
  const script = fileURLToPath(new URL("../licences/python_packages.py", import.meta.url));
  const told = /** @type {{ interpreter: Part, packages: Part[], ffmpegLibrary: object, ffmpegProgram: object }} */ (JSON.parse(mustRun(tree.python, ["-I", "-B", script, lock], { doing: "collecting the licences" })));
  mkdirSync(tree.licences, { recursive: true });
  const parts = [told.interpreter, ...told.packages, ...systemFiles.map(systemPart)];
  for (const { name, version, licence, texts: brought } of parts) {
    const texts = brought.length > 0 ? brought : standardTexts(licence, `the authors of ${name}`);
    if (licence === "" || texts.length === 0) throw new SetupError(`Nobody says under which terms ${name} is passed on.`, `Its licence is given as "${licence}", ${texts.length === 0 ? "without" : "with"} a text.`, "Look it up, and add it to build/package/licences/.");
    writeFileSync(join(tree.licences, `${name}-${version}.txt`), texts.map((text) => `${text.name}\n\n${text.text.trimEnd()}\n`).join("\n\n"));
  }
  writeFileSync(join(tree.licences, "ffmpeg.json"), `${JSON.stringify({ library: told.ffmpegLibrary, program: told.ffmpegProgram }, null, 2)}\n`);
  return parts.map(({ name, version, licence }) => ({ name, version, licence }));
}

/**
 * A library of the build machine's Debian or Ubuntu, whose package says whose it is.
 * @param {string} file
 * @returns {Part}
 */
function systemPart(file) {
  // Since the merge of /usr, packages own the path without it, or with it.
  const owner = [file, file.replace(/^\/usr/, "")].map((path) => spawnSync("dpkg-query", ["-S", path], { encoding: "utf8" }).stdout?.split(":")[0] ?? "").find((name) => name !== "");
  const copyright = `/usr/share/doc/${owner ?? ""}/copyright`;
  if (owner === undefined || !existsSync(copyright)) throw new SetupError(`Nobody says who made ${basename(file)}.`, "A library that is passed on needs its licence beside it.", "Start from python-build-standalone, which links none, or make the archive on Debian or Ubuntu.");
  const version = spawnSync("dpkg-query", ["-W", "-f=${Version}", owner], { encoding: "utf8" }).stdout.replaceAll(/[^0-9A-Za-z.+~-]/g, "_");
  return { name: basename(file).replace(/\.so.*$/, ""), version, licence: "see its text", texts: [{ name: `${owner} ${version} (${basename(file)})`, text: readFileSync(copyright, "utf8") }] };
}
