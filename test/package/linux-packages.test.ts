import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeDebianPackage } from "../../build/package/app/debian-package.mjs";
import { makeTarball } from "../../build/package/app/tarball.mjs";
import { fileTree } from "../support/file-tree.ts";
import { makePackage, unpackedProgram } from "../support/packaged.ts";

let place = "";
beforeAll(() => void (place = mkdtempSync(join(tmpdir(), "avatar-studio-packages-"))));
afterAll(() => rmSync(place, { recursive: true, force: true }));

function run(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8", ...environment } });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${String(error ?? status)}\n${stdout}${stderr}`);
  return stdout;
}

describe("the Debian package", () => {
  /** A system of its own to install into, with a stand-in for AppArmor that takes or refuses profiles. */
  function system(name: string, takesProfiles: boolean) {
    const root = join(place, name);
    const tools = join(place, `${name}-tools`);
    for (const folder of ["updates", "info"]) mkdirSync(join(root, "var/lib/dpkg", folder), { recursive: true });
    writeFileSync(join(root, "var/lib/dpkg/status"), "");
    mkdirSync(tools);
    writeFileSync(join(tools, "apparmor_parser"), `#!/bin/sh\nexit ${takesProfiles ? "0" : "1"}\n`);
    chmodSync(join(tools, "apparmor_parser"), 0o755);
    const dpkg = (...args: string[]): string =>
      run("dpkg", [`--root=${root}`, "--force-depends", "--force-not-root", "--force-script-chrootless", `--log=${join(place, "dpkg.log")}`, ...args], { PATH: `${tools}:${process.env.PATH ?? ""}` });
    return { root, dpkg, at: (path: string) => join(root, path), files: () => fileTree(root).filter((file) => !file.startsWith("var/lib/dpkg/")) };
  }

  let file = "";
  beforeAll(() => void (file = makeDebianPackage({ unpacked: unpackedProgram, output: place, compression: "gzip" })));

  test("installs the program, its command, its menu entry and its kind of file", () => {
    const { dpkg, at } = system("installed", true);
    dpkg("--install", file);
    expect(statSync(at("opt/avatar-studio/avatar-studio")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(at("usr/bin/avatar-studio"))).toBe("/opt/avatar-studio/avatar-studio");
    expect(readlinkSync(at("usr/bin/avatar-studio-uninstall"))).toBe("/opt/avatar-studio/resources/uninstall.sh");
    const entry = readFileSync(at("usr/share/applications/avatar-studio.desktop"), "utf8");
    expect(entry).toContain("Exec=/opt/avatar-studio/avatar-studio %F");
    const type = /^MimeType=(.+);$/m.exec(entry)?.[1] ?? "";
    const mime = readFileSync(at("usr/share/mime/packages/avatar-studio.xml"), "utf8");
    expect(mime).toContain(`<mime-type type="${type}">`);
    expect(mime).toContain('<glob pattern="*.avatar"/>');
    expect(readFileSync(at("usr/share/icons/hicolor/256x256/apps/avatar-studio.png")).subarray(1, 4).toString()).toBe("PNG");
    // No file is anybody's but root's, or writable by others.
    expect(run("dpkg-deb", ["--contents", file]).split("\n").filter((line) => line !== "" && (!line.includes(" root/root ") || /^.{8}w/.test(line) && !line.startsWith("l")))).toEqual([]);
  });

  test("its AppArmor profile is installed where AppArmor knows its words", () => {
    const { dpkg, at } = system("with-apparmor", true);
    dpkg("--install", file);
    const profile = readFileSync(at("etc/apparmor.d/avatar-studio"), "utf8");
    expect(profile).toMatch(/profile avatar-studio "\/opt\/avatar-studio\/avatar-studio" flags=\(unconfined\) \{\s+userns,/);
  });

  test("without them it is installed all the same", () => {
    const { dpkg, at } = system("without-apparmor", false);
    dpkg("--install", file);
    expect(existsSync(at("etc/apparmor.d/avatar-studio"))).toBe(false);
    expect(existsSync(at("opt/avatar-studio/avatar-studio"))).toBe(true);
  });

  test("an update keeps the profile, and removing leaves nothing", () => {
    const { dpkg, at, files } = system("removed", true);
    dpkg("--install", file);
    dpkg("--install", file);
    expect(existsSync(at("etc/apparmor.d/avatar-studio"))).toBe(true);
    const said = dpkg("--purge", "avatar-studio");
    expect(said).toContain("avatar-studio-uninstall");
    expect(files()).toEqual(["etc/apparmor.d/"]);
  });
});

test("the tarball unpacks into one folder, with modes, owned by root", () => {
  const small = join(place, "linux-unpacked");
  mkdirSync(join(small, "resources"), { recursive: true });
  writeFileSync(join(small, "avatar-studio"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(small, "resources", "app.asar"), "x");
  const file = makeTarball({ unpacked: small, output: place });
  const lines = run("tar", ["--numeric-owner", "-tvzf", file]).trim().split("\n");
  expect(lines.map((line) => line.split(/\s+/).at(-1))).toEqual(["", "avatar-studio", "resources/", "resources/app.asar"].map((name): unknown => expect.stringMatching(new RegExp(`^avatar-studio-[0-9.]+-linux-(x64|arm64)/${name}$`))));
  expect(lines.every((line) => line.includes(" 0/0 "))).toBe(true);
  expect(lines[1]).toMatch(/^-rwxr-xr-x/);
});

test("an Electron of today gets its fuses, and the whole program lies in the archive", () => {
  // What electron-builder needs of one: its program with the marker that fuses follow, and the files it renames or moves.
  const marker = "dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX";
  const electron = join(place, "electron");
  for (const folder of ["resources", "locales"]) mkdirSync(join(electron, folder), { recursive: true });
  writeFileSync(join(electron, "electron"), Buffer.concat([Buffer.from(marker), Buffer.from([1, 9]), Buffer.from("111111111")]), { mode: 0o755 });
  for (const name of ["version", "LICENSE", "chrome-sandbox", "locales/en-US.pak", "locales/fr.pak"]) writeFileSync(join(electron, name), "45.4.1");
  const output = join(place, "for users");
  const said = makePackage(["--dir", "--output", output], { ELECTRON_OVERRIDE_DIST_PATH: electron });
  expect(said).not.toContain("TEST BUILD");

  const folder = join(output, "linux-unpacked");
  const fuses = readFileSync(join(folder, "avatar-studio"), "latin1").slice(marker.length + 2);
  // In Electron's order: run as Node, encrypt cookies, NODE_OPTIONS, --inspect, check the archive, only the archive, own snapshot, file: privileges.
  expect(fuses).toMatch(/^010011.0/);
  const { files, textOf, integrityOf } = readArchive(join(folder, "resources", "app.asar"));
  for (const name of ["package.json", "dist/shell/main.cjs", "dist/shell/preload.cjs", "dist/server/main.js", "dist/renderer/index.html"]) expect(files).toContain(name);
  expect(files.filter((name) => name.startsWith("node_modules/")).every((name) => name.startsWith("node_modules/systeminformation/"))).toBe(true);
  expect(files.filter((name) => name.endsWith(".map") || name.includes("electron-9"))).toEqual([]);
  expect(integrityOf("dist/server/main.js")).toBe(createHash("sha256").update(textOf("dist/server/main.js")).digest("hex"));
  expect(JSON.parse(textOf("package.json"))).toMatchObject({ main: "dist/shell/main.cjs", type: "module" });
  expect(existsSync(join(folder, "resources", "app.asar.unpacked", "dist"))).toBe(false);
  for (const name of ["resources/models/demo/config.json", "resources/examples/anna/voice.wav", "licences/THIRD-PARTY-NOTICES.txt", "licences/sbom.cdx.json", "uninstall.sh"]) expect(existsSync(join(folder, "resources", name))).toBe(true);
});

interface ArchiveEntry {
  readonly files?: Readonly<Record<string, ArchiveEntry>>;
  readonly offset?: string;
  readonly size?: number;
  readonly integrity?: { readonly hash: string };
}

/** Electron's archive: four lengths, a tree of names as JSON, then the files' bytes. */
function readArchive(path: string) {
  const bytes = readFileSync(path);
  const start = 8 + bytes.readUInt32LE(4);
  const root = JSON.parse(bytes.toString("utf8", 16, 16 + bytes.readUInt32LE(12))) as ArchiveEntry;
  const entries = new Map<string, ArchiveEntry>();
  const walk = (entry: ArchiveEntry, name: string): void => {
    if (entry.files === undefined) entries.set(name, entry);
    else for (const [part, child] of Object.entries(entry.files)) walk(child, name === "" ? part : `${name}/${part}`);
  };
  walk(root, "");
  const textOf = (name: string): string => {
    const { offset = "0", size = 0 } = entries.get(name) ?? {};
    return bytes.toString("utf8", start + Number(offset), start + Number(offset) + size);
  };
  return { files: [...entries.keys()], textOf, integrityOf: (name: string) => entries.get(name)?.integrity?.hash };
}
