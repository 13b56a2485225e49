import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SetupError } from "../../setup/user-error.mjs";
import { mustRun } from "./run.mjs";

const pins = /** @type {{ version: string, builds: Record<string, { url: string, sha256: string } | undefined> }} */ (
  JSON.parse(readFileSync(new URL("python-builds.json", import.meta.url), "utf8"))
);

/**
 * Fetch and unpack the pinned python-build-standalone, which is movable as it is.
 * @param {string} system such as `linux-x64`
 * @param {string} folder an empty one
 * @returns {Promise<string>} the prefix
 * @throws {SetupError}
 */
export async function fetchPython(system, folder) {
  const build = pins.builds[system];
  if (build === undefined) throw new SetupError(`No Python is pinned for ${system}.`, `There are: ${Object.keys(pins.builds).join(", ")}.`, "Name an installed one with --python PREFIX, or add it to python-builds.json.");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "python.tar.gz");
  const answer = await fetch(build.url).catch((error) => error);
  if (!(answer instanceof Response) || !answer.ok || answer.body === null) {
    throw new SetupError(`Python ${pins.version} could not be downloaded.`, `${build.url}: ${answer instanceof Response ? `status ${answer.status}` : String(answer.cause ?? answer)}`, "Connect to the network, or name an installed Python with --python PREFIX.");
  }
  await pipeline(Readable.fromWeb(/** @type {import("node:stream/web").ReadableStream} */ (answer.body)), createWriteStream(file));
  const found = await sha256Of(file);
  if (found !== build.sha256) throw new SetupError("The downloaded Python is not the pinned one.", `Its sha256 is ${found}, not ${build.sha256}.`, "Try again; if it stays so, do not use that file.");
  mustRun("tar", ["-xzf", file, "-C", folder], { doing: "unpacking Python" });
  return join(folder, "python");
}

/**
 * The prefix a user named, and its version.
 * @param {string} prefix
 * @param {boolean} windows
 * @returns {{ prefix: string, python: string, version: string }}
 * @throws {SetupError} when it holds no CPython, or a virtual environment, which is not whole in itself
 */
export function inspectPrefix(prefix, windows) {
  const python = windows ? join(prefix, "python.exe") : join(prefix, "bin", "python3");
  const code = "import json, platform, sys; print(json.dumps([platform.python_implementation(), platform.python_version(), sys.prefix, sys.base_prefix]))";
  const [implementation, version, own, base] = JSON.parse(mustRun(python, ["-I", "-c", code], { doing: `asking ${python} who it is` }));
  if (implementation !== "CPython" || own !== base) throw new SetupError(`${prefix} cannot be made into a runtime.`, own === base ? `It is ${implementation}.` : "It is a virtual environment, which needs another Python.", `Name the folder of a whole CPython${own === base ? "" : `, such as ${base}`}.`);
  return { prefix: realpathSync(own), python, version };
}

/**
 * @param {string} path
 * @returns {Promise<string>}
 */
export async function sha256Of(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}
