import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot, runtimePaths } from "../../build/setup/paths.mjs";
import { unpackedProgram } from "../support/packaged.ts";

/* What is shipped, read from the packaged program; what must be in it is told by npm's lock file, by pip and by the programs themselves. */

const folder = join(unpackedProgram, "resources", "licences");

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses: readonly unknown[];
}

let notice = "";
let components: readonly Component[] = [];
beforeAll(() => {
  notice = readFileSync(join(folder, "THIRD-PARTY-NOTICES.txt"), "utf8");
  components = (JSON.parse(readFileSync(join(folder, "sbom.cdx.json"), "utf8")) as { components: Component[] }).components;
});

const purls = (kind: string): string[] => components.flatMap(({ purl }) => (purl?.startsWith(`pkg:${kind}/`) === true ? [decodeURIComponent(purl.slice(`pkg:${kind}/`.length))] : []));

/** Judged by another implementation of JSON Schema than any that wrote it, against the schema that CycloneDX publishes. */
function schemaFaults(bom: string): string {
  const schemas = join(dirname(createRequire(import.meta.url).resolve("@cyclonedx/cyclonedx-library/package.json")), "res", "schema");
  const program = `
import json, sys
from pathlib import Path
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7
folder = Path(sys.argv[1])
load = lambda name: json.loads((folder / name).read_text("utf-8"))
names = {"spdx.SNAPSHOT.schema.json": "spdx.schema.json", "jsf-0.82.SNAPSHOT.schema.json": "jsf-0.82.schema.json"}
resources = [(key, DRAFT7.create_resource(load(name))) for name, public in names.items() for key in (public, "http://cyclonedx.org/schema/" + public, name, "http://cyclonedx.org/schema/" + name)]
validator = Draft7Validator(load("bom-1.6.SNAPSHOT.schema.json"), registry=Registry().with_resources(resources))
print("\\n".join(f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(json.load(sys.stdin))))
`;
  const { status, stdout, stderr } = spawnSync(runtimePaths(repositoryRoot).python, ["-I", "-c", program, schemas], { encoding: "utf8", input: bom });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

describe("the bill of materials", () => {
  test("is CycloneDX 1.6", () => {
    const bom = readFileSync(join(folder, "sbom.cdx.json"), "utf8");
    expect(JSON.parse(bom)).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
    expect(schemaFaults(bom)).toBe("");
    expect(schemaFaults(bom.replace('"type": "library"', '"type": "book"'))).toContain("book");
  });

  test("lists npm packages in the versions of the lock file, those that the page uses, and none that only tests use", () => {
    const { packages } = JSON.parse(readFileSync(join(repositoryRoot, "package-lock.json"), "utf8")) as { packages: Record<string, { version?: string }> };
    const locked = new Set(Object.entries(packages).map(([path, { version = "" }]) => `${path.replace(/^.*node_modules\//, "")}@${version}`));
    const shipped = purls("npm");
    expect(shipped.filter((one) => !locked.has(one))).toEqual([]);
    const names = shipped.map((one) => one.replace(/@[^@]*$/, ""));
    for (const name of ["react", "react-dom", "zod", "ws", "@orpc/server", "i18next", "systeminformation", "zustand"]) expect(names).toContain(name);
    for (const name of ["vitest", "playwright-core", "typescript", "electron-builder", "eslint"]) expect(names).not.toContain(name);
  });

  test("lists every pinned package of the engine that pip has installed, in that version", () => {
    const { stdout } = spawnSync(runtimePaths(repositoryRoot).python, ["-I", "-m", "pip", "list", "--format=json", "--disable-pip-version-check"], { encoding: "utf8" });
    const simple = (name: string): string => name.toLowerCase().replaceAll(/[-_.]+/g, "-");
    const installed = new Map((JSON.parse(stdout) as { name: string; version: string }[]).map(({ name, version }) => [simple(name), version.replace(/\+.*/, "")]));
    const pins = readFileSync(runtimePaths(repositoryRoot).requirements, "utf8").split("\n").flatMap((line) => /^([A-Za-z0-9._-]+)==/.exec(line)?.[1] ?? []);
    const wanted = pins.map(simple).filter((name) => installed.has(name)).map((name) => `${name}@${installed.get(name) ?? ""}`);
    expect(wanted.length).toBeGreaterThan(40);
    expect(purls("pypi").map((one) => `${simple(one.replace(/@.*/, ""))}@${one.replace(/.*@/, "")}`)).toEqual(expect.arrayContaining(wanted));
  });

  test("names a licence for every part", () => {
    expect(components.filter(({ licenses }) => licenses.length === 0).map(({ name }) => name)).toEqual([]);
  });
});

describe("the notice", () => {
  test("names every part of the bill of materials, with its version", () => {
    expect(components.filter(({ name, version }) => !notice.includes(`${name} ${version}`)).map(({ name }) => name)).toEqual([]);
  });

  test("tells how FFmpeg was built, as FFmpeg itself tells it, and holds the GPL", () => {
    const ask = "import imageio_ffmpeg, subprocess; print(subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), '-buildconf'], capture_output=True, text=True).stdout)";
    const { stdout } = spawnSync(runtimePaths(repositoryRoot).python, ["-I", "-c", ask], { encoding: "utf8" });
    const flags = stdout.split("\n").map((line) => line.trim()).filter((line) => /^--(en|dis)able-[\w-]+$/.test(line));
    expect(flags).toContain("--enable-gpl");
    expect(flags.filter((flag) => !notice.includes(flag))).toEqual([]);
    expect(notice).toContain("--enable-libx264");
    expect(notice).toContain("GNU GENERAL PUBLIC LICENSE");
    expect(notice).toContain("Version 3, 29 June 2007");
  });

  test("holds no path of the machine that made it", () => {
    for (const text of [notice, JSON.stringify(components)]) expect(text).not.toContain(repositoryRoot);
  });
});
