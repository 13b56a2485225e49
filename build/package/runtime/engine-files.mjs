import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";

const source = join(repositoryRoot, "python-runtime", "live_avatar");

/** The engine's version, from the one place that has it. */
export function engineVersion() {
  const found = /^__version__ = "([^"]+)"$/m.exec(readFileSync(join(source, "__init__.py"), "utf8"));
  if (found === null) throw new Error("live_avatar/__init__.py has no __version__.");
  return found[1];
}

/**
 * Copy the engine beside the packages, with the note by which Python's own tools know it.
 * @param {import("./tree.mjs").TreePaths} tree
 */
export function copyEngine(tree) {
  cpSync(source, join(tree.sitePackages, "live_avatar"), { recursive: true, filter: (from) => basename(from) !== "__pycache__" });
  const facts = join(tree.sitePackages, `live_avatar-${engineVersion()}.dist-info`);
  mkdirSync(facts, { recursive: true });
  writeFileSync(join(facts, "METADATA"), `Metadata-Version: 2.4\nName: live-avatar\nVersion: ${engineVersion()}\nLicense-Expression: Apache-2.0\nLicense-File: LICENSE\n`);
  cpSync(join(repositoryRoot, "LICENSE"), join(facts, "LICENSE"));
}
