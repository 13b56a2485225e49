import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SetupError } from "../../setup/user-error.mjs";
import { hasProgram, mustRun } from "./run.mjs";

/**
 * Compile the one C module of Triton here, so that no compiler is needed there. It is named after its source: another Triton does not take it.
 * @param {import("./tree.mjs").TreePaths} tree
 * @returns {boolean} whether this runtime has Triton at all
 * @throws {SetupError}
 */
export function prebuildTritonModule(tree) {
  const backend = join(tree.sitePackages, "triton", "backends", "nvidia");
  const source = join(backend, "driver.c");
  if (!existsSync(source)) return false;
  if (!hasProgram("cc")) throw new SetupError("There is no C compiler.", "Triton's helper module is compiled here, so that users need none.", "Install one (Debian, Ubuntu: apt install gcc libc6-dev).");
  const scratch = mkdtempSync(join(tmpdir(), "avatar-studio-triton-"));
  try {
    // Only the name of the driver's library is needed: on the user's machine the driver brings the real one.
    writeFileSync(join(scratch, "empty.c"), "");
    mustRun("cc", ["-shared", "-Wl,-soname,libcuda.so.1", "-o", join(scratch, "libcuda.so.1"), join(scratch, "empty.c")], { doing: "making a stand-in for the driver" });
    const [suffix = "", include = ""] = JSON.parse(mustRun(tree.python, ["-I", "-c", "import json, sysconfig; print(json.dumps([sysconfig.get_config_var('EXT_SUFFIX'), sysconfig.get_path('include')]))"], { doing: "asking for Python's headers" }));
    copyFileSync(source, join(scratch, "driver.c"));
    const built = join(scratch, `cuda_utils${suffix}`);
    const args = ["driver.c", "-O3", "-shared", "-fPIC", "-Wno-psabi", "-s", "-Wl,--build-id=none", "-Wl,--no-as-needed", "-L.", "-l:libcuda.so.1", `-I${join(backend, "include")}`, `-I${include}`, "-o", built];
    // In its own folder and by relative names: the result must not depend on where it was made.
    mustRun("cc", args, { cwd: scratch, doing: "compiling Triton's helper module" });
    const name = createHash("sha256").update(readFileSync(source)).digest("hex");
    mkdirSync(tree.prebuilt, { recursive: true });
    copyFileSync(built, join(tree.prebuilt, `cuda_utils-${name}${suffix}`));
    return true;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
