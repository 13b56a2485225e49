import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";

/** Fields of package.json that the installed program or its package needs. */
const KEPT = ["name", "version", "description", "license", "type"];

/** A thread of the server loads it by itself. Without any dependency, electron-builder would take those of the checkout. */
export const UNBUNDLED = "systeminformation";

/**
 * Lays out what goes into the program's archive: the built parts and a short package.json. Everything is bundled but
 * one package.
 * @param {object} options
 * @param {string} options.dist folder of the built parts
 * @param {import("../../bundle.mjs").Variant} options.variant
 * @param {string} options.folder is made anew
 */
export function layOutApplication({ dist, variant, folder }) {
  const suffix = variant === "current" ? "" : "-electron-9";
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "dist"), { recursive: true });
  for (const part of ["server", `shell${suffix}`, `renderer${suffix}`]) {
    cpSync(join(dist, part), join(folder, "dist", part), { recursive: true, filter: (path) => !path.endsWith(".map") });
  }
  cpSync(join(repositoryRoot, "node_modules", UNBUNDLED), join(folder, "node_modules", UNBUNDLED), { recursive: true });
  const all = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const kept = Object.fromEntries(KEPT.map((name) => [name, all[name]]));
  const facts = { ...kept, author: "The Avatar Studio authors", main: `dist/shell${suffix}/main.cjs`, dependencies: { [UNBUNDLED]: all.dependencies[UNBUNDLED] } };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(facts, null, 2)}\n`);
}
