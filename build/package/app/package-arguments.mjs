import { SetupError } from "../../setup/user-error.mjs";

/**
 * Kinds of packages by system; the first of each is what its name alone means.
 * @type {Readonly<Record<"linux" | "win" | "mac", readonly string[]>>}
 */
const KINDS = { linux: ["deb", "AppImage", "tar.gz"], win: ["nsis"], mac: ["dmg"] };

/** @typedef {keyof typeof KINDS} System */

/**
 * What `npm run package` was asked for.
 * @typedef {object} PackageRequest
 * @property {System} system
 * @property {readonly string[]} kinds empty: only the unpacked folder
 * @property {string | null} output
 * @property {boolean} inspectable a test may drive the program from outside
 */

/**
 * Understands `--dir`, `--linux deb tar.gz`, `--output FOLDER`.
 * @param {readonly string[]} args
 * @param {NodeJS.Platform} platform
 * @returns {PackageRequest}
 * @throws {SetupError} naming what was not understood
 */
export function parsePackageArguments(args, platform) {
  const here = platform === "win32" ? "win" : platform === "darwin" ? "mac" : "linux";
  /** @type {System | null} */
  let system = null;
  /** @type {string[]} */
  const kinds = [];
  /** @type {string | null} */
  let output = null;
  let onlyFolder = false;
  let inspectable = false;
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? "";
    const name = word.replace(/^--/, "");
    if (word === "--dir") onlyFolder = true;
    else if (word === "--inspectable") inspectable = true;
    else if (word === "--output") {
      output = args[(index += 1)] ?? null;
      if (output === null) throw refused("--output names no folder.", "Say for example --output /tmp/packages.");
    } else if (word.startsWith("--") && isSystem(name)) {
      if (system !== null && system !== name) throw refused("Two systems were asked for.", "Packages for one system are made at a time.");
      system = name;
    } else if (system !== null && KINDS[system].includes(word)) kinds.push(word);
    else throw refused(`"${word}" was not understood.`, `There are: --dir, ${Object.entries(KINDS).map(([one, all]) => `--${one} ${all.join(" ")}`).join(", ")}, --output FOLDER.`);
  }
  const chosen = system ?? here;
  if (onlyFolder && kinds.length > 0) throw refused("--dir makes no packages.", "Leave out --dir, or the kinds of packages.");
  return { system: chosen, kinds: onlyFolder ? [] : kinds.length > 0 ? kinds : [...KINDS[chosen]], output, inspectable };
}

/**
 * @param {string} name
 * @returns {name is System}
 */
function isSystem(name) {
  return Object.hasOwn(KINDS, name);
}

const refused = (/** @type {string} */ why, /** @type {string} */ hint) => new SetupError("Nothing was packaged.", why, hint);
