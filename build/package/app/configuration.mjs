import { join } from "node:path";
import { repositoryRoot } from "../../setup/paths.mjs";
import { UNBUNDLED } from "./application-folder.mjs";

/** Also the folder below `/opt`, the name in the menu file and the one on PATH. */
export const EXECUTABLE = "avatar-studio";
export const PRODUCT = "Avatar Studio";
export const PROJECT_TYPE = "application/x-avatar-studio-project";

/**
 * Switches of Electron's program that no page and no script can undo.
 * https://www.electronjs.org/docs/latest/tutorial/fuses
 */
const FUSES = {
  runAsNode: false,
  enableCookieEncryption: true,
  enableNodeOptionsEnvironmentVariable: false,
  enableNodeCliInspectArguments: false,
  enableEmbeddedAsarIntegrityValidation: true,
  onlyLoadAppFromAsar: true,
  grantFileProtocolExtraPrivileges: false,
  resetAdHocDarwinSignature: true,
};

const PROJECT = { ext: "avatar", name: "Avatar Studio project", description: "Avatar Studio project", mimeType: PROJECT_TYPE, role: /** @type {const} */ ("Editor") };

/**
 * What electron-builder is told. Pure: the same facts give the same configuration.
 * @param {object} facts
 * @param {import("./choose-electron.mjs").PackagedElectron} facts.electron
 * @param {string} facts.application folder of the files that go into the archive
 * @param {string} facts.notices folder of the licences' texts
 * @param {string} facts.output
 * @param {boolean} facts.inspectable
 * @returns {import("electron-builder").Configuration}
 */
export function packageConfiguration({ electron, application, notices, output, inspectable }) {
  const testBuild = electron.variant === "electron-9";
  const resources = join(repositoryRoot, "resources");
  const ours = join(repositoryRoot, "build", "package", "app");
  return {
    appId: "io.github.avatar-studio",
    productName: PRODUCT,
    executableName: EXECUTABLE,
    copyright: "Apache-2.0",
    directories: { app: application, output, buildResources: join(resources, "icons") },
    files: ["**/*"],
    // The old Electron of the tests cannot run the server, and the Node that does it in its place cannot read the archive.
    asar: true,
    asarUnpack: [`node_modules/${UNBUNDLED}/**`, ...(testBuild ? ["dist/server/**", "dist/renderer-electron-9/**", "package.json"] : [])],
    electronVersion: electron.version,
    ...(electron.folder === null ? {} : { electronDist: electron.folder }),
    ...(testBuild ? {} : { electronFuses: { ...FUSES, enableNodeCliInspectArguments: inspectable } }),
    // Chromium's own words in other languages than the studio's are never seen.
    electronLanguages: ["en-US", "en", "zh-CN", "zh_CN"],
    npmRebuild: false,
    publish: null,
    // Python reads these, so they cannot be in the archive. The studio looks for them below `resources` of its installation.
    extraResources: [
      { from: join(resources, "models"), to: "resources/models" },
      { from: join(resources, "examples"), to: "resources/examples" },
      { from: notices, to: "licences", filter: ["*.txt", "*.json"] },
      { from: join(repositoryRoot, "LICENSE"), to: "licences/LICENSE-avatar-studio.txt" },
      { from: join(ours, "uninstall.sh"), to: "uninstall.sh" },
    ],
    artifactName: `${EXECUTABLE}-\${version}-\${os}-\${arch}.\${ext}`,
    compression: "maximum",
    linux: {
      category: "AudioVideo",
      synopsis: "Talking-avatar videos from a portrait, a voice and a prompt",
      icon: "linux",
      target: ["AppImage"],
      fileAssociations: [PROJECT],
    },
    // The old kind needs a library that today's systems do not have any more.
    toolsets: { appimage: "1.0.3" },
    win: { icon: "icon.ico", target: ["nsis"], signExts: [".dll", ".node"], fileAssociations: [{ ...PROJECT, icon: "icon.ico" }] },
    nsis: {
      // No question: for this user, at the usual place. The studio asks its own, with a picture of what it does.
      oneClick: true,
      perMachine: false,
      deleteAppDataOnUninstall: false,
      include: join(ours, "windows-installer.nsh"),
      license: null,
    },
    mac: {
      icon: "icon.icns",
      fileAssociations: [{ ...PROJECT, icon: "icon.icns" }],
      category: "public.app-category.video",
      target: ["dmg"],
      hardenedRuntime: true,
      gatekeeperAssess: false,
      extendInfo: { NSMicrophoneUsageDescription: "To record a voice for a video." },
    },
  };
}
