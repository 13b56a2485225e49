import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "../../setup/run-command.mjs";
import { SetupError } from "../../setup/user-error.mjs";
import { bundledPackages } from "./bundled-packages.mjs";
import { apacheText, standardTexts } from "./standard-texts.mjs";

/** @typedef {import("./bundled-packages.mjs").ShippedPart} ShippedPart */
/** @typedef {{ name: string, version: string, licence: string, texts: { name: string, text: string }[] }} PythonPart */
/** @typedef {{ version: string, licence: string, configuration: string }} FfmpegBuild */

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Everything of others that an installed Avatar Studio consists of.
 * @param {object} options
 * @param {string} options.root
 * @param {readonly string[]} options.builtFolders
 * @param {string} options.python interpreter of the set-up's runtime
 * @param {readonly string[]} options.pins lists of the engine's packages
 * @param {string} options.electronVersion
 * @returns {{ program: ShippedPart[], engine: ShippedPart[], own: ShippedPart[] }}
 * @throws {SetupError} when the runtime does not answer, or a part tells no licence
 */
export function shippedParts({ root, builtFolders, python, pins, electronVersion }) {
  const answer = askRuntime(python, pins);
  const pypi = answer.packages.map(fromPython);
  const engine = [{ ...fromPython(answer.interpreter), kind: /** @type {const} */ ("program"), source: "https://www.python.org/" }, ...pypi, ...ffmpegBuilds(answer)];
  const program = [electron(electronVersion), ...bundledPackages(builtFolders, [join(root, "node_modules", "systeminformation")])];
  const own = OWN.map((part) => ({ ...part, texts: [{ name: "LICENSE", text: apacheText() }] }));
  for (const { name, licence, texts } of [...program, ...engine, ...own]) {
    if (licence === "") throw new SetupError("The licences are not complete.", `${name} tells none.`, "Look it up and add it to build/package/licences/.");
    if (texts.length === 0 && !WITHOUT_TEXT.has(name)) throw new SetupError("The licences are not complete.", `${name} (${licence}) brings no text.`, "Add it to build/package/licences/shipped-parts.mjs.");
  }
  return { program, engine, own };
}

/** Their texts lie elsewhere in the package, or in the part that contains them; the notice says where. */
const WITHOUT_TEXT = new Set(["Electron and Chromium", "CPython"]);

/**
 * @param {string} python
 * @param {readonly string[]} pins
 * @returns {{ interpreter: PythonPart, packages: PythonPart[], ffmpegLibrary: FfmpegBuild, ffmpegProgram: FfmpegBuild }}
 */
function askRuntime(python, pins) {
  const { status, stdout, stderr, error } = spawnSync(python, ["-I", join(here, "python_packages.py"), ...pins], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024, env: cleanEnvironment(process.env) });
  if (status === 0) return JSON.parse(stdout);
  throw new SetupError("The engine's packages could not be listed.", error?.message ?? stderr.trim().split("\n").at(-1) ?? "", "Run `npm run setup` and try again.");
}

/**
 * @param {PythonPart} part
 * @returns {ShippedPart}
 */
function fromPython({ name, version, licence, texts }) {
  const plain = version.replace(/\+.*$/, "");
  return { kind: "pypi", name, version: plain, licence, source: `https://pypi.org/project/${name}/${plain}/`, note: NOTES[name] ?? "", texts: texts.length > 0 ? texts : standardTexts(licence, `the authors of ${name}`) };
}

/** @type {Readonly<Record<string, string>>} */
const NOTES = {
  torch: "Built for NVIDIA cards it brings NVIDIA's CUDA libraries under NVIDIA's own terms, and Triton (MIT). An engine archive for cards holds those terms beside each library.",
  av: "Contains FFmpeg with x264 and x265: see “FFmpeg in PyAV”.",
  "imageio-ffmpeg": "Contains an FFmpeg program: see “FFmpeg in imageio-ffmpeg”.",
  soxr: "LGPL: a library of its own (libsoxr) that may be exchanged for another build of it.",
};

/**
 * @param {{ ffmpegLibrary: FfmpegBuild, ffmpegProgram: FfmpegBuild }} builds
 * @returns {ShippedPart[]}
 */
function ffmpegBuilds({ ffmpegLibrary, ffmpegProgram }) {
  const texts = [{ name: "GPL, version 3", text: readFileSync(join(here, "gpl-3.0.txt"), "utf8") }];
  return [
    {
      kind: "program",
      name: "FFmpeg in PyAV",
      version: ffmpegLibrary.version,
      licence: "GPL-3.0-or-later",
      source: "https://github.com/PyAV-Org/pyav-ffmpeg",
      note: `The libraries call themselves “${ffmpegLibrary.licence}”, but are built with x264 and x265, which are GPL-2.0-or-later: together they are passed on under the GPL, version 3 or later.\nBuilt with: ${ffmpegLibrary.configuration}`,
      texts,
    },
    {
      kind: "program",
      name: "FFmpeg in imageio-ffmpeg",
      version: ffmpegProgram.version,
      licence: "GPL-3.0-or-later",
      source: "https://github.com/imageio/imageio-binaries",
      note: `A program of its own, started as a process and linked to nothing.\nBuilt with: ${ffmpegProgram.configuration}`,
      texts,
    },
  ];
}

/**
 * @param {string} version
 * @returns {ShippedPart}
 */
function electron(version) {
  return {
    kind: "program",
    name: "Electron and Chromium",
    version,
    licence: "MIT",
    source: `https://github.com/electron/electron/releases/tag/v${version}`,
    note: "Electron is MIT; Chromium, V8, Node.js and FFmpeg (LGPL-2.1-or-later, in libffmpeg, without GPL parts) have licences of their own. Their texts lie beside the program: LICENSE.electron.txt and LICENSES.chromium.html.",
    texts: [],
  };
}

/** @type {readonly Omit<ShippedPart, "texts">[]} */
const OWN = [
  { kind: "data", name: "Demo model", version: "1", licence: "Apache-2.0", source: "resources/models/demo", note: "Trained for Avatar Studio on drawn avatars and synthetic speech. espeak-ng made that speech as a program; nothing of it is in the weights." },
  { kind: "data", name: "Example portraits and recordings", version: "1", licence: "Apache-2.0", source: "resources/examples", note: "Drawn and spoken for Avatar Studio; they show nobody." },
];
