import { dirname, relative, resolve, sep } from "node:path";

/**
 * Which part of the program a file belongs to, and which capability within the server.
 * @typedef {{ part: "contract", heavy: boolean }
 *   | { part: "shell", page: boolean }
 *   | { part: "server", capability: string | null }
 *   | { part: "renderer" }
 *   | { part: "other" }} Place
 */

/** Folder of the server that every capability may use. */
const COMMON = "common";
/** Contract files that bring zod or oRPC with them: too much code for a page, so a page takes only their types. */
const HEAVY = /(\.schema|\/rpc)\.ts$/;
const HEAVY_PACKAGES = /^(zod|@orpc\/(contract|server))(\/|$)/;

/**
 * @param {string} path relative to the checkout, with forward slashes
 * @returns {Place}
 */
export function placeOf(path) {
  const [top, part, third, ...rest] = path.split("/");
  if (top === "renderer") return { part: "renderer" };
  if (top !== "electron") return { part: "other" };
  if (part === "contract") return { part: "contract", heavy: HEAVY.test(path) };
  if (part === "shell") return { part: "shell", page: third === "preload.ts" };
  if (part === "server") return { part: "server", capability: rest.length > 0 ? third ?? null : null };
  return { part: "other" };
}

/**
 * Why `from` must not import `to`, or null when it may.
 * @param {Place} from
 * @param {Place} to
 * @param {boolean} typeOnly
 * @returns {string | null}
 */
export function whyForbidden(from, to, typeOnly) {
  const page = from.part === "renderer" || (from.part === "shell" && from.page);
  if (page && to.part === "contract" && to.heavy && !typeOnly) return "A page takes only types from this file (`import type`): its code brings zod.";
  if (from.part === "contract" && !from.heavy && to.part === "contract" && to.heavy && !typeOnly) {
    return "Pages import this file: name it *.schema.ts, or take only types from schema files.";
  }
  if (to.part === "contract" || to.part === from.part && from.part !== "server") return null;
  switch (from.part) {
    case "contract":
      return "The contract imports nothing but itself.";
    case "shell":
      return "The shell imports the contract only.";
    case "renderer":
      return "The renderer imports the contract only.";
    case "server": {
      if (to.part !== "server") return "The server imports the contract only.";
      // Files directly in server/ are the composition root: they put the capabilities together.
      const free = from.capability === null || to.capability === from.capability || to.capability === COMMON;
      return free ? null : `Capabilities meet in electron/server/main.ts only: "${from.capability}" must not import ${to.capability === null ? "the composition root" : `"${to.capability}"`}.`;
    }
    case "other":
      return null;
  }
}

/**
 * Imports go one way: shell -> contract; renderer -> contract; a capability of the server -> contract and server/common.
 * @type {import("eslint").Rule.RuleModule}
 */
export const importDirection = {
  meta: { type: "problem", schema: [], messages: { forbidden: "{{reason}}" } },
  create(context) {
    const path = (/** @type {string} */ absolute) => relative(context.cwd, absolute).split(sep).join("/");
    const file = path(context.filename);
    // Tests put together what they need.
    if (/\.test\.tsx?$/.test(file)) return {};
    const from = placeOf(file);

    /**
     * @param {import("eslint").Rule.Node} node
     * @param {unknown} source
     * @param {boolean} typeOnly
     */
    const check = (node, source, typeOnly) => {
      // Pictures, texts and styles belong to nobody.
      if (typeof source !== "string" || /\.(png|svg|css|json)$/.test(source)) return;
      const reason = source.startsWith(".")
        ? whyForbidden(from, placeOf(path(resolve(dirname(context.filename), source))), typeOnly)
        : whyPackageForbidden(from, source, typeOnly);
      if (reason !== null) context.report({ node, messageId: "forbidden", data: { reason } });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value, isTypeOnly(node)),
      ExportNamedDeclaration: (node) => check(node, node.source?.value, isTypeOnly(node)),
      ExportAllDeclaration: (node) => check(node, node.source.value, isTypeOnly(node)),
      ImportExpression: (node) => check(node, "value" in node.source ? node.source.value : null, false),
    };
  },
};

/**
 * @param {Place} from
 * @param {string} source
 * @param {boolean} typeOnly
 * @returns {string | null}
 */
function whyPackageForbidden(from, source, typeOnly) {
  if (typeOnly) return null;
  const page = from.part === "renderer" || (from.part === "shell" && from.page) || (from.part === "contract" && !from.heavy);
  if (page && HEAVY_PACKAGES.test(source)) return `${source} is too much code for a page: keep it in *.schema.ts files.`;
  if (source === "electron" && from.part !== "shell" && from.part !== "other") return "Only the shell knows Electron.";
  return null;
}

/**
 * `import type …`, or an import whose every name is marked as a type.
 * @param {object} node
 */
function isTypeOnly(node) {
  const { importKind, exportKind, specifiers } = /** @type {{ importKind?: string, exportKind?: string, specifiers?: { importKind?: string, exportKind?: string }[] }} */ (node);
  if (importKind === "type" || exportKind === "type") return true;
  return specifiers !== undefined && specifiers.length > 0 && specifiers.every((one) => one.importKind === "type" || one.exportKind === "type");
}
