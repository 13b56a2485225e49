import { bytesText } from "../../../contract/byte-size.ts";
import type { Fault } from "../../../contract/fault.schema.ts";
import type { ArchiveIndex } from "../archive/format.schema.ts";

/** Everything that decides whether an archive can be installed, gathered at one moment. */
export interface PreflightFacts {
  readonly platform: string;
  readonly arch: string;
  /** Null where there is none. */
  readonly glibc: string | null;
  /** The studio's own version: its engine speaks the same protocol. */
  readonly engineVersion: string;
  /** Of the NVIDIA driver; null without one. */
  readonly driver: string | null;
  /** Of the cards, such as `8.9`; null for a card that does not say. */
  readonly capabilities: readonly (string | null)[];
  /** Links resolved, as far as it exists. */
  readonly folder: string;
  readonly writable: boolean;
  /** Where the folder lies or will lie; null when the system does not tell. */
  readonly freeBytes: number | null;
  /** Downloaded volumes that are still to come onto the same disk. */
  readonly toDownloadBytes: number;
  /** The program's own folder, which an update replaces. */
  readonly program: string;
  /** Folders that the system's environment names as synced. */
  readonly syncedFolders: readonly string[];
}

/** For small files, folders, and programs that are tried out. */
const ROOM_TO_SPARE_BYTES = 300e6;
/** Windows holds 259 characters; the number, the id and separators take some. */
const MOST_WINDOWS_CHARACTERS = 259;
/** Linux holds 4,096 bytes, macOS 1,024. */
const MOST_BYTES = 1_023;
const SYNCED = /(^|[\\/])(OneDrive( - [^\\/]+)?|Dropbox( \([^\\/]+\))?|Google ?Drive|GoogleDrive-[^\\/]+|My Drive|iCloud ?Drive|iCloudDrive|Mobile Documents|Nextcloud|ownCloud|Nutstore|坚果云|百度网盘同步空间|BaiduSyncdisk|Box Sync|pCloudDrive|Syncthing|CloudStorage)([\\/]|$)/i;

/** Why the archive cannot be used on this machine, the gravest first. Empty when it can. Pure. */
export function preflight(index: ArchiveIndex, facts: PreflightFacts): readonly Fault[] {
  return [otherSystem(index, facts), otherVersion(index, facts), oldGlibc(index, facts), oldDriver(index, facts), oldCard(index, facts), ...placeFaults(index, facts)].filter((fault) => fault !== null);
}

function fault(code: string, what: string, why: string, hint: string): Fault {
  return { code, what, why, hint, field: null };
}

function otherSystem(index: ArchiveIndex, { platform, arch }: PreflightFacts): Fault | null {
  if (index.platform === platform && index.arch === arch) return null;
  return fault("RUNTIME_OTHER_SYSTEM", "The archive is for another system.", `It is for ${index.platform}-${index.arch}; this machine is ${platform}-${arch}.`, `Get the archive for ${platform}-${arch}.`);
}

function otherVersion(index: ArchiveIndex, { engineVersion }: PreflightFacts): Fault | null {
  if (index.engineVersion === engineVersion) return null;
  return fault("RUNTIME_OTHER_VERSION", "The archive is for another version of Avatar Studio.", `It holds engine ${index.engineVersion}; this studio is ${engineVersion}.`, `Get the archive of version ${engineVersion}, or the studio of version ${index.engineVersion}.`);
}

function oldGlibc(index: ArchiveIndex, { glibc }: PreflightFacts): Fault | null {
  const { glibc: needed } = index.needs;
  if (needed === null || glibc === null || compareVersions(glibc, needed) >= 0) return null;
  return fault("RUNTIME_SYSTEM_OLD", "This Linux is too old for the engine.", `It has glibc ${glibc}; the archive needs ${needed} or newer.`, "Update the system, or use an archive made for older ones.");
}

function oldDriver(index: ArchiveIndex, { driver }: PreflightFacts): Fault | null {
  const { cuda } = index.needs;
  // Without a driver the build for cards works on the processor.
  if (cuda === null || driver === null || compareVersions(driver, cuda.driver) >= 0) return null;
  return fault("RUNTIME_DRIVER_OLD", "The NVIDIA driver is too old for this archive.", `It is ${driver}; CUDA ${cuda.version} needs ${cuda.driver} or newer.`, "Update the driver, then look again. Until then the archive without CUDA works on the processor.");
}

function oldCard(index: ArchiveIndex, { capabilities }: PreflightFacts): Fault | null {
  const { cuda } = index.needs;
  const known = capabilities.filter((capability) => capability !== null);
  if (cuda === null || cuda.architectures.length === 0 || known.length === 0 || known.length < capabilities.length) return null;
  if (known.some((capability) => supportsCapability(cuda.architectures, capability))) return null;
  return fault("RUNTIME_CARD_UNSUPPORTED", "The archive has no code for this card.", `The card has compute capability ${known.join(", ")}; the archive is for ${cuda.architectures.join(", ")}.`, "Use the archive without CUDA: it works on the processor.");
}

/** Whether a build of torch runs on a card: code of the same generation and not newer, or intermediate code that the driver compiles. */
export function supportsCapability(architectures: readonly string[], capability: string): boolean {
  const [major = 0, minor = 0] = capability.split(".").map(Number);
  return architectures.some((architecture) => {
    const found = /^(sm|compute)_(\d+)(\d)[a-z]?$/.exec(architecture);
    if (found === null) return false;
    const [built, builtMinor] = [Number(found[2]), Number(found[3])];
    return found[1] === "compute" ? major > built || (major === built && minor >= builtMinor) : major === built && minor >= builtMinor;
  });
}

function placeFaults(index: ArchiveIndex, facts: PreflightFacts): readonly (Fault | null)[] {
  const { folder, writable, freeBytes, program, platform, syncedFolders } = facts;
  const needed = index.unpackedBytes + facts.toDownloadBytes + ROOM_TO_SPARE_BYTES;
  const another = "Start Avatar Studio with --data-dir and a folder elsewhere.";
  const longest = folder.length + 1 + `999999-${index.id}/`.length + index.longestPath;
  const tooLong = platform === "win32" ? longest > MOST_WINDOWS_CHARACTERS : Buffer.byteLength(folder) + index.id.length + index.longestPath > MOST_BYTES;
  return [
    isWithin(folder, program, platform) ? fault("RUNTIME_FOLDER_IN_PROGRAM", "The engine must not lie in the program's own folder.", `An update would wipe it: ${folder}`, another) : null,
    syncedFolders.some((synced) => isWithin(folder, synced, platform)) || SYNCED.test(folder) ? fault("RUNTIME_FOLDER_SYNCED", "The folder is kept in step with a cloud.", `Thousands of files would be sent there, and it locks files while they are written: ${folder}`, another) : null,
    tooLong ? fault("RUNTIME_PATH_TOO_LONG", "The folder's path is too long.", `Files in it would have names of ${String(longest)} characters, more than the system allows: ${folder}`, another) : null,
    writable ? null : fault("RUNTIME_FOLDER_READ_ONLY", "The folder cannot be written.", `The system does not permit it: ${folder}`, `Correct its permissions. Or: ${another}`),
    freeBytes !== null && freeBytes < needed ? fault("RUNTIME_DISK_SPACE", "There is not enough room for the engine.", `It needs ${bytesText(needed)}; ${bytesText(freeBytes)} are free in ${folder}`, `Free ${bytesText(needed - freeBytes)}. Or: ${another}`) : null,
  ];
}

/** Whether a path is a folder or lies in it. */
function isWithin(path: string, folder: string, platform: string): boolean {
  const fold = (text: string): string => {
    const plain = text.replaceAll("\\", "/").replace(/\/+$/, "");
    return platform === "linux" ? plain : plain.toLowerCase();
  };
  return folder !== "" && `${fold(path)}/`.startsWith(`${fold(folder)}/`);
}

/** Below 0 when `one` is older. Parts are numbers; what follows them plays no part. */
export function compareVersions(one: string, other: string): number {
  const parts = (text: string): readonly number[] => text.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [parts(one), parts(other)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
