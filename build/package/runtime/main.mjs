import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureNodePackages } from "../../setup/node-packages.mjs";
import { Progress } from "../../setup/progress.mjs";
import { cleanEnvironment } from "../../setup/run-command.mjs";
import { runMain } from "../../setup/user-error.mjs";
import { copyEngine, engineVersion } from "./engine-files.mjs";
import { collectLicences } from "./licences.mjs";
import { checkLibraries } from "./library-closure.mjs";
import { copyMovable, removeCaches } from "./movable-python.mjs";
import { HELP, parseOptions } from "./options.mjs";
import { correctRecords, fetchPatchelf, installLocked, lockPath, writeLock } from "./packages.mjs";
import { fetchPython, inspectPrefix } from "./python-build.mjs";
import { mustRun } from "./run.mjs";
import { smokeTest } from "./smoke-test.mjs";
import { strip } from "./strip.mjs";
import { treePaths } from "./tree.mjs";
import { prebuildTritonModule } from "./triton-module.mjs";

/** Oldest driver for each CUDA, by NVIDIA's table of compatibility. */
const DRIVERS = /** @type {Record<string, { linux: string, win32: string } | undefined>} */ ({ 13: { linux: "580.65", win32: "580.88" } });

/** `npm run package:runtime`: the engine's Python as an archive; docs/decisions/0016-runtime-archive.md says what it is. */
await runMain(async () => {
  const options = parseOptions(process.argv.slice(2), process);
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  await ensureNodePackages();
  const output = resolve(options.output);
  mkdirSync(output, { recursive: true });
  const scratch = mkdtempSync(join(output, ".runtime-"));
  const progress = new Progress();
  const started = performance.now();
  try {
    progress.step("preparing Python");
    const python = inspectPrefix(options.python ?? (await fetchPython(`${options.platform}-${options.arch}`, join(scratch, "python"))), options.platform === "win32");
    if (options.lockOnly) {
      progress.step("asking for the packages");
      progress.done(`the hashes are in ${writeLock(options, python, scratch)}`);
      return 0;
    }
    const tree = treePaths(join(scratch, "tree"), options.platform, python.version);
    const systemFiles = copyMovable(python, tree, () => fetchPatchelf(python, scratch));
    progress.step("installing the packages");
    installLocked(options, tree, python.version, scratch);
    copyEngine(tree);
    progress.step("stripping");
    if (options.platform === "linux") prebuildTritonModule(tree);
    strip(tree);
    correctRecords(tree);
    if (options.platform === "linux") checkLibraries(tree.root);
    progress.step("collecting licences");
    const packages = collectLicences(tree, lockPath(options, python.version), systemFiles);
    progress.step("compiling to byte code");
    removeCaches(tree.root);
    const compiler = fileURLToPath(new URL("byte_compile.py", import.meta.url));
    mustRun(tree.python, ["-s", "-B", compiler, tree.library], { env: { ...cleanEnvironment(process.env), PYTHONHASHSEED: "0" }, doing: "compiling to byte code" });
    progress.step("trying it out");
    const torch = smokeTest(tree, python.version);
    progress.step("packing");
    const driver = torch.cuda === null ? undefined : DRIVERS[torch.cuda.split(".")[0] ?? ""]?.[options.platform === "win32" ? "win32" : "linux"];
    if (torch.cuda !== null && driver === undefined) throw new Error(`The oldest driver for CUDA ${torch.cuda} is not in the table.`);
    const { neededGlibc, packArchive } = await import("./pack.mjs");
    const { index, content } = await packArchive({
      root: tree.root,
      identity: {
        format: 1,
        id: `${engineVersion()}-${options.platform}-${options.arch}-${options.gpu}`,
        engineVersion: engineVersion(),
        platform: /** @type {"linux" | "darwin" | "win32"} */ (options.platform),
        arch: /** @type {"x64" | "arm64"} */ (options.arch),
        gpu: options.gpu,
        python: python.version,
        torch: torch.torch,
        needs: { glibc: options.platform === "linux" ? neededGlibc(tree.root) : null, cuda: torch.cuda === null || driver === undefined ? null : { version: torch.cuda, driver, architectures: torch.architectures } },
      },
      packages,
      output,
    });
    const bytes = content.volumes.reduce((sum, volume) => sum + volume.bytes, 0);
    progress.done(`${index}: ${(bytes / 1e6).toFixed(0)} MB in ${content.volumes.length} volumes, ${(content.unpackedBytes / 1e6).toFixed(0)} MB in ${content.files} files unpacked, ${Math.round((performance.now() - started) / 1000)} s`);
    return 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
