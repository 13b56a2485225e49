import { parseArgs } from "node:util";
import { SetupError } from "../../setup/user-error.mjs";

/** Which build of torch: without CUDA, or with CUDA 13. */
export const GPU_KINDS = /** @type {const} */ (["cpu", "cu13"]);

/** @typedef {(typeof GPU_KINDS)[number]} GpuKind */
/** @typedef {{ platform: string, arch: string, gpu: GpuKind, python: string | null, output: string, lockOnly: boolean }} Options */

export const HELP = `npm run package:runtime -- [options]
  --platform NAME  such as linux-x64; must be this machine's (default: this machine's)
  --gpu KIND       ${GPU_KINDS.join(" or ")} (default: cpu)
  --python PREFIX  an installed CPython to start from (default: the pinned python-build-standalone, which is downloaded)
  --output DIR     where the archive goes (default: output/packages)
  --lock           write the hashes of the packages anew, and end
`;

/**
 * @param {readonly string[]} args
 * @param {{ platform: string, arch: string }} machine
 * @returns {Options | "help"}
 * @throws {SetupError}
 */
export function parseOptions(args, machine) {
  const values = read(args);
  if (values.help === true) return "help";
  const here = `${machine.platform}-${machine.arch}`;
  // Packages are chosen and the result is tried on the machine itself.
  if ((values.platform ?? here) !== here) throw new SetupError(`An archive for ${values.platform} cannot be made here.`, `This machine is ${here}; the packages must be installed and tried on the system they are for.`, `Run the same command on a ${values.platform} machine.`);
  const gpu = GPU_KINDS.find((kind) => kind === (values.gpu ?? "cpu"));
  if (gpu === undefined) throw new SetupError(`There is no kind of card "${values.gpu}".`, `There are: ${GPU_KINDS.join(", ")}.`, "Name one of these with --gpu.");
  if (gpu !== "cpu" && machine.platform === "darwin") throw new SetupError("There is no CUDA on macOS.", "NVIDIA has no drivers for it.", "Use --gpu cpu.");
  return { platform: machine.platform, arch: machine.arch, gpu, python: values.python ?? null, output: values.output ?? "output/packages", lockOnly: values.lock === true };
}

/** @param {readonly string[]} args */
function read(args) {
  try {
    return parseArgs({ args: [...args], strict: true, options: { platform: { type: "string" }, gpu: { type: "string" }, python: { type: "string" }, output: { type: "string" }, lock: { type: "boolean" }, help: { type: "boolean" } } }).values;
  } catch (error) {
    throw new SetupError("The command line is not understood.", error instanceof Error ? error.message : "", HELP);
  }
}
