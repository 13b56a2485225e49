import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../setup/paths.mjs";

/** What a module imports before its first line runs. */
const STATIC_IMPORT = /^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"([^"]+)"/gm;

/**
 * Every package that a program needs before it can install any, with the module that asks for it.
 * @param {string} entry
 */
function packagesNeeded(entry) {
  /** @type {string[]} */
  const needed = [];
  const waiting = [entry];
  for (const module of waiting) {
    for (const [, name = ""] of readFileSync(module, "utf8").matchAll(STATIC_IMPORT)) {
      const path = resolve(dirname(module), name);
      if (name.startsWith(".")) void (waiting.includes(path) || waiting.push(path));
      else if (!name.startsWith("node:")) needed.push(`${relative(repositoryRoot, module)} imports ${name}`);
    }
  }
  return needed;
}

test("in a fresh clone every command of package.json starts: it installs its packages itself", () => {
  const { scripts } = /** @type {{ scripts: Record<string, string> }} */ (JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")));
  const entries = Object.values(scripts).flatMap((command) => /^node (\S+\.mjs)/.exec(command)?.[1] ?? []);
  assert.ok(entries.length > 10);
  for (const entry of entries) assert.deepEqual(packagesNeeded(join(repositoryRoot, entry)), [], entry);
});
