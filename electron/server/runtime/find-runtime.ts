import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { FaultError } from "../common/fault-error.ts";

/** The Python that has the engine in it. */
export interface Runtime {
  readonly python: string;
  readonly folder: string;
}

/** Where to look, in this order. */
export interface RuntimePlaces {
  /** From AVATAR_STUDIO_RUNTIME: when it is set, nothing else is tried. */
  readonly override: string | null;
  /** `resources` of the installed program, or the root of a checkout. */
  readonly installation: string;
}

/** The folders a runtime may be in. */
export function runtimeFolders(places: RuntimePlaces): readonly string[] {
  return places.override !== null ? [places.override] : [join(places.installation, "runtime"), join(places.installation, ".runtime")];
}

/** The interpreter's places within such a folder. */
export function interpreterNames(platform: NodeJS.Platform): readonly string[] {
  return platform === "win32" ? ["python.exe", join("Scripts", "python.exe")] : [join("bin", "python3")];
}

/**
 * Find the Python runtime.
 * @throws FaultError RUNTIME_MISSING
 */
export async function findRuntime(places: RuntimePlaces, platform: NodeJS.Platform = process.platform): Promise<Runtime> {
  for (const folder of runtimeFolders(places)) {
    for (const name of interpreterNames(platform)) {
      const python = join(folder, name);
      if (await isUsable(python)) return { python, folder };
    }
  }
  throw new FaultError({
    code: "RUNTIME_MISSING",
    what: "The engine is not set up.",
    why: places.override === null ? "The Python environment that comes with Avatar Studio is not there." : "The folder named by AVATAR_STUDIO_RUNTIME has no Python in it.",
    hint: places.override === null ? "Run `npm run setup` in the program's folder, or install Avatar Studio again." : "Correct AVATAR_STUDIO_RUNTIME, or unset it.",
  });
}

async function isUsable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
