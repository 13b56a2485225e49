import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { FaultError } from "../common/fault-error.ts";
import { hasManifest, installedRuntimes } from "./install/runtimes-folder.ts";

/** The Python that has the engine in it. */
export interface Runtime {
  /** Named by AVATAR_STUDIO_RUNTIME; made by a checkout's set-up; installed from an archive; shipped unpacked with the program. */
  readonly kind: "named" | "checkout" | "installed" | "shipped";
  readonly python: string;
  readonly folder: string;
}

/** Where to look, in this order. */
export interface RuntimePlaces {
  /** From AVATAR_STUDIO_RUNTIME: when it is set, nothing else is tried. */
  readonly override: string | null;
  /** `resources` of the installed program, or the root of a checkout. */
  readonly installation: string;
  /** Where archives are installed: `runtimes` in the data folder. */
  readonly installed: string;
}

/** The folders a runtime may be in. A checkout's own comes first: it has the sources that are being worked on. */
async function candidates(places: RuntimePlaces): Promise<readonly Omit<Runtime, "python">[]> {
  if (places.override !== null) return [{ kind: "named", folder: places.override }];
  const installed = await installedRuntimes(places.installed);
  return [
    { kind: "checkout", folder: join(places.installation, ".runtime") },
    ...installed.map(({ folder }) => ({ kind: "installed", folder }) as const),
    { kind: "shipped", folder: join(places.installation, "runtime") },
  ];
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
  for (const { kind, folder } of await candidates(places)) {
    for (const name of interpreterNames(platform)) {
      const python = join(folder, name);
      // One that somebody has emptied is passed over: the one before is used.
      if ((await isUsable(python)) && (kind !== "installed" || (await hasManifest(folder)))) return { kind, python, folder };
    }
  }
  throw new FaultError({
    code: "RUNTIME_MISSING",
    what: "The engine is not set up.",
    why: places.override === null ? "No Python environment with it is installed." : "The folder named by AVATAR_STUDIO_RUNTIME has no Python in it.",
    hint: places.override === null ? "Install it on the set-up page. In a copy of the sources, run `npm run setup`." : "Correct AVATAR_STUDIO_RUNTIME, or unset it.",
  });
}

async function isUsable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
