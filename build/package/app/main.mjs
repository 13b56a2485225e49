import { mkdirSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { ensureBuilt } from "../../ensure-built.mjs";
import { ensureNodePackages } from "../../setup/node-packages.mjs";
import { repositoryRoot } from "../../setup/paths.mjs";
import { runMain } from "../../setup/user-error.mjs";
import { layOutApplication } from "./application-folder.mjs";
import { chooseElectron } from "./choose-electron.mjs";
import { packageConfiguration } from "./configuration.mjs";
import { makeDebianPackage } from "./debian-package.mjs";
import { runElectronBuilder, unpackedFolder } from "./electron-builder.mjs";
import { parsePackageArguments } from "./package-arguments.mjs";
import { makeTarball } from "./tarball.mjs";
import { ensureNotices } from "../licences/notices.mjs";

// `npm run package -- --dir` lays out the installed program; `--linux deb tar.gz`, `--win`, `--mac` make packages of it.

/** What an installer without engine and models may weigh. */
const LARGEST_INSTALLER_BYTES = 160 * 1024 * 1024;

await runMain(async () => {
  const request = parsePackageArguments(process.argv.slice(2), process.platform);
  const say = (/** @type {string} */ line) => console.error(line);
  await ensureNodePackages();
  const electron = await chooseElectron({ system: request.system, say });
  const dist = await ensureBuilt(electron.variant === "current" ? ["server", "shell", "renderer"] : ["server", "shell-electron-9", "renderer-electron-9"]);
  const notices = await ensureNotices({ say });

  const output = resolve(process.env.INIT_CWD ?? process.cwd(), request.output ?? join(repositoryRoot, "output", "packages"));
  const application = join(output, "application");
  mkdirSync(output, { recursive: true });
  layOutApplication({ dist, variant: electron.variant, folder: application });
  const configuration = packageConfiguration({ electron, application, notices, output, inspectable: request.inspectable });

  const byBuilder = request.kinds.filter((kind) => !["deb", "tar.gz"].includes(kind));
  const files = [...(await runElectronBuilder({ configuration, system: request.system, kinds: byBuilder }))];
  rmSync(application, { recursive: true, force: true });
  const unpacked = unpackedFolder(output, request.system);
  if (request.kinds.includes("tar.gz")) files.push(makeTarball({ unpacked, output }));
  if (request.kinds.includes("deb")) files.push(makeDebianPackage({ unpacked, output }));

  let tooLarge = false;
  for (const file of files) {
    const bytes = statSync(file).size;
    tooLarge ||= bytes > LARGEST_INSTALLER_BYTES;
    console.log(`${file}  ${(bytes / 1024 / 1024).toFixed(1)} MB${bytes > LARGEST_INSTALLER_BYTES ? `: over the ${LARGEST_INSTALLER_BYTES / 1024 / 1024} MB that ${basename(file)} may have` : ""}`);
  }
  console.log(unpacked);
  return tooLarge ? 1 : 0;
});
