import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { INDEX_NAME } from "./format.schema.ts";
import { type Archive, openArchive } from "./open-archive.ts";

export interface SearchPlaces {
  readonly platform: string;
  /** The program's own file. */
  readonly executable: string;
  /** `resources` of the installed program, or the root of a checkout. */
  readonly installation: string;
  readonly home: string;
  readonly user: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** Written by an installer: the folder it was started from. */
const INSTALLER_NOTE = "installer-folder.txt";

/** The Windows installer writes UTF-16 with a mark before it, the others UTF-8. */
export function textOfInstaller(bytes: Uint8Array): string {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(wide ? "utf-16le" : "utf-8").decode(bytes).trim();
}

/** Folders in which an archive may lie, in the order in which they are preferred. */
export async function archiveFolders(places: SearchPlaces): Promise<readonly string[]> {
  const { executable, installation, environment, home } = places;
  // An AppImage runs from a place that is mounted for it; the archive lies beside the file that the user clicked.
  const program = dirname(environment.APPIMAGE ?? executable);
  const noted = await readFile(join(installation, INSTALLER_NOTE)).then(textOfInstaller, () => "");
  const drives = await removableDrives(places);
  const all = [program, dirname(program), installation, noted, join(installation, "output", "packages"), await downloadFolder(home, environment), ...drives];
  return [...new Set(all.filter((folder) => folder !== ""))];
}

/** Every archive in these folders whose index can be read; one that cannot is passed over, as the user did not name it. */
export async function findArchives(folders: readonly string[]): Promise<readonly Archive[]> {
  const found = new Map<string, Archive>();
  for (const folder of folders) {
    for (const name of (await readdir(folder).catch(() => [])).filter((one) => INDEX_NAME.test(one)).sort()) {
      const archive = await openArchive(join(folder, name)).catch(() => null);
      // The same archive in two places is one.
      if (archive !== null && !found.has(archive.index.manifestSha256)) found.set(archive.index.manifestSha256, archive);
    }
  }
  return [...found.values()];
}

/** Linux tells its name in a file, since it is translated. */
async function downloadFolder(home: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const configuration = environment.XDG_CONFIG_HOME ?? join(home, ".config");
  const text = await readFile(join(configuration, "user-dirs.dirs"), "utf8").catch(() => "");
  const named = /^XDG_DOWNLOAD_DIR="(.+)"$/m.exec(text)?.[1];
  return named?.replace("$HOME", home) ?? join(home, "Downloads");
}

/** Where the system mounts sticks and drives. */
async function removableDrives({ platform, user }: SearchPlaces): Promise<readonly string[]> {
  if (platform === "win32") return ["D:\\", "E:\\", "F:\\", "G:\\", "H:\\"];
  const parents = platform === "darwin" ? ["/Volumes"] : [join("/media", user), join("/run/media", user)];
  const lists = await Promise.all(parents.map(async (parent) => (await readdir(parent).catch(() => [])).map((name) => join(parent, name))));
  return lists.flat();
}
