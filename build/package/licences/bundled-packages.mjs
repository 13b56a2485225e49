import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { standardTexts } from "./standard-texts.mjs";

/**
 * One part of somebody else in what is shipped.
 * @typedef {object} ShippedPart
 * @property {"npm" | "pypi" | "program" | "data"} kind
 * @property {string} name
 * @property {string} version
 * @property {string} licence SPDX identifier or expression where there is one
 * @property {string} source where it comes from
 * @property {string} note empty when there is nothing to add
 * @property {readonly { readonly name: string, readonly text: string }[]} texts the licence as it came with the part
 */

const TEXT_FILE = /^(licen[cs]e|copying|notice|authors)/i;
const IN_PACKAGE = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//;

/**
 * The npm packages of which something is in the built program: told by the build's own source maps, so none can be
 * forgotten and none is listed that only tests use.
 * @param {readonly string[]} folders built parts
 * @param {readonly string[]} unbundled folders of packages that are shipped whole
 * @returns {ShippedPart[]} by name
 */
export function bundledPackages(folders, unbundled) {
  const packages = new Set(unbundled);
  for (const folder of folders) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".map")) continue;
      const map = join(folder, name);
      /** @type {{ sources: string[] }} */
      const { sources } = JSON.parse(readFileSync(map, "utf8"));
      for (const source of sources) {
        const found = IN_PACKAGE.exec(resolve(map, "..", source).replaceAll("\\", "/"))?.[1];
        if (found !== undefined && existsSync(join(found, "package.json"))) packages.add(found);
      }
    }
  }
  return [...packages].map(describe).sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
}

/**
 * @param {string} folder
 * @returns {ShippedPart}
 */
function describe(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const texts = readdirSync(folder)
    .filter((file) => TEXT_FILE.test(file))
    .sort()
    .map((file) => ({ name: basename(file), text: readFileSync(join(folder, file), "utf8") }));
  const licence = typeof license === "string" ? license : (license?.type ?? "");
  const holder = (typeof author === "string" ? author : author?.name) ?? `the authors of ${name}`;
  return { kind: "npm", name, version, licence, source: `https://www.npmjs.com/package/${name}/v/${version}`, note: "", texts: texts.length > 0 ? texts : standardTexts(licence, holder) };
}
