import { cpSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { repositoryRoot } from "../../setup/paths.mjs";
import { EXECUTABLE, PRODUCT, PROJECT_TYPE } from "./configuration.mjs";
import { packageFacts, runTool } from "./tarball.mjs";

/** Where the package puts the program. Without a space, for scripts of others. */
export const INSTALLED_FOLDER = `/opt/${EXECUTABLE}`;

/** What Electron's program is linked to; `|` where newer systems have renamed one. */
const NEEDED = ["libgtk-3-0 | libgtk-3-0t64", "libnotify4", "libnss3", "libxss1", "libxtst6", "xdg-utils", "libatspi2.0-0 | libatspi2.0-0t64", "libuuid1", "libsecret-1-0", "libgbm1", "libasound2 | libasound2t64"];

const templates = join(dirname(fileURLToPath(import.meta.url)), "debian");

/**
 * A Debian package of the unpacked program, put together with dpkg-deb: electron-builder's own way needs a tool that it downloads.
 * @param {object} options
 * @param {string} options.unpacked
 * @param {string} options.output
 * @param {"xz" | "gzip"} [options.compression] gzip is quick and a third larger: for tests
 * @returns {string} the file
 */
export function makeDebianPackage({ unpacked, output, compression = "xz" }) {
  const { version, architecture } = packageFacts();
  const debianArchitecture = architecture === "arm64" ? "arm64" : "amd64";
  const file = join(output, `${EXECUTABLE}_${version}_${debianArchitecture}.deb`);
  const tree = mkdtempSync(join(output, "deb-"));
  try {
    const at = (/** @type {string[]} */ ...parts) => join(tree, ...parts);
    cpSync(unpacked, at(INSTALLED_FOLDER), { recursive: true, verbatimSymlinks: true });
    put(at(INSTALLED_FOLDER, "resources", "apparmor-profile"), template("apparmor-profile"));
    put(at("usr", "share", "applications", `${EXECUTABLE}.desktop`), template("desktop-entry"));
    put(at("usr", "share", "mime", "packages", `${EXECUTABLE}.xml`), template("mime-type.xml"));
    const icons = join(repositoryRoot, "resources", "icons", "linux");
    for (const name of readdirSync(icons)) put(at("usr", "share", "icons", "hicolor", basename(name, ".png"), "apps", `${EXECUTABLE}.png`), readFileSync(join(icons, name)));
    put(at("usr", "share", "doc", EXECUTABLE, "copyright"), readFileSync(join(repositoryRoot, "LICENSE")));
    mkdirSync(at("usr", "bin"));
    symlinkSync(join(INSTALLED_FOLDER, EXECUTABLE), at("usr", "bin", EXECUTABLE));
    symlinkSync(join(INSTALLED_FOLDER, "resources", "uninstall.sh"), at("usr", "bin", `${EXECUTABLE}-uninstall`));
    readableByAll(tree);
    put(at("DEBIAN", "control"), controlFile({ version, architecture: debianArchitecture, kilobytes: Math.ceil(bytesBelow(tree) / 1024) }));
    put(at("DEBIAN", "postinst"), template("after-install.sh"), 0o755);
    put(at("DEBIAN", "prerm"), template("before-remove.sh"), 0o755);
    runTool("dpkg-deb", ["--root-owner-group", `-Z${compression}`, ...(compression === "gzip" ? ["-z1"] : []), "--build", tree, file], file);
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** @param {{ version: string, architecture: string, kilobytes: number }} facts */
export function controlFile({ version, architecture, kilobytes }) {
  return `Package: ${EXECUTABLE}
Version: ${version}
Architecture: ${architecture}
Maintainer: The Avatar Studio authors <avatar-studio@localhost>
Installed-Size: ${kilobytes}
Depends: ${NEEDED.join(", ")}
Section: video
Priority: optional
Description: ${PRODUCT}: talking-avatar videos, offline
 One portrait, one voice recording and a prompt become a talking-avatar video
 of any length, on your own machine. The engine comes as an archive of its own.
`;
}

/** @param {string} name */
function template(name) {
  const values = { FOLDER: INSTALLED_FOLDER, EXECUTABLE, TYPE: PROJECT_TYPE };
  return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`@${key}@`, value), readFileSync(join(templates, name), "utf8"));
}

/**
 * @param {string} path
 * @param {string | Buffer} content
 * @param {number} mode
 */
function put(path, content, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/**
 * A package is for every user, whatever umask it was made under.
 * @param {string} folder
 */
function readableByAll(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) readableByAll(path);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o111 ? 0o755 : 0o644);
  }
}

/**
 * @param {string} folder
 * @returns {number}
 */
function bytesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? bytesBelow(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);
}
