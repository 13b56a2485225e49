import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../../setup/paths.mjs";
import { packageConfiguration } from "./configuration.mjs";

const resources = join(repositoryRoot, "resources");

/** @param {Partial<Parameters<typeof packageConfiguration>[0]>} change */
const configurationWith = (change = {}) =>
  packageConfiguration({ electron: { variant: "current", version: "45.4.1", folder: "/electron" }, application: "/application", notices: "/notices", output: "/output", inspectable: false, ...change });

test("electron-builder's own schema accepts it, for every system", async () => {
  const builder = createRequire(createRequire(import.meta.url).resolve("electron-builder"));
  const { validateConfiguration } = builder("app-builder-lib/out/util/config/config.js");
  const debug = { add: () => undefined, isEnabled: false };
  await validateConfiguration(configurationWith(), debug);
  await validateConfiguration(configurationWith({ electron: { variant: "electron-9", version: "9.4.1", folder: "/old" } }), debug);
  // The judge judges: a name that does not exist is refused.
  await assert.rejects(validateConfiguration({ ...configurationWith(), fusess: true }, debug));
});

test("a package for users has every fuse as it must be", () => {
  assert.deepEqual(configurationWith().electronFuses, {
    runAsNode: false,
    enableCookieEncryption: true,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true,
    grantFileProtocolExtraPrivileges: false,
    resetAdHocDarwinSignature: true,
  });
  assert.equal(configurationWith({ inspectable: true }).electronFuses?.enableNodeCliInspectArguments, true);
});

test("the old Electron of the tests gets no fuses, and its server where Node can read it", () => {
  const old = configurationWith({ electron: { variant: "electron-9", version: "9.4.1", folder: "/old" } });
  assert.equal(old.electronFuses, undefined);
  assert.ok(old.asarUnpack?.includes("dist/server/**"));
  assert.ok(!configurationWith().asarUnpack?.includes("dist/server/**"), "the product's server lies in the archive, whose integrity is checked");
});

test("what it names is there", () => {
  const { win, mac, linux, nsis, extraResources } = configurationWith();
  for (const icon of [win?.icon, mac?.icon, linux?.icon]) assert.ok(existsSync(join(resources, "icons", String(icon))), String(icon));
  assert.ok(existsSync(String(nsis?.include)));
  const copied = /** @type {{ from: string }[]} */ (extraResources).map(({ from }) => from).filter((from) => from !== "/notices");
  for (const from of copied) assert.ok(existsSync(from), from);
});

test("project files belong to it on every system", () => {
  const { win, mac, linux } = configurationWith();
  for (const { fileAssociations } of [win ?? {}, mac ?? {}, linux ?? {}]) assert.deepEqual(/** @type {{ ext: string }[]} */ (fileAssociations).map(({ ext }) => ext), ["avatar"]);
});

test("nothing is published, and no name has a space", () => {
  const { publish, artifactName, executableName } = configurationWith();
  assert.equal(publish, null);
  assert.doesNotMatch(`${artifactName}${executableName}`, /\s/);
});

test("the Windows uninstaller asks before it removes models and projects, and keeps both when it cannot ask", () => {
  const script = readFileSync(join(repositoryRoot, "build", "package", "app", "windows-installer.nsh"), "utf8");
  const removal = script.slice(script.indexOf("customUnInstall"));
  for (const what of ["models", "projects"]) assert.match(removal, new RegExp(`MB_DEFBUTTON2 "Delete [^"]*${what}`));
  const guarded = removal.slice(removal.indexOf("${ifNot} ${Silent}"));
  assert.ok(guarded.indexOf('RMDir /r "$R8\\checkpoints"') > 0 && guarded.indexOf('RMDir /r "$R8\\projects"') > 0);
  assert.doesNotMatch(removal.slice(0, removal.indexOf("${ifNot} ${Silent}")), /checkpoints|\\projects/);
  assert.equal(configurationWith().nsis?.deleteAppDataOnUninstall, false);
});
