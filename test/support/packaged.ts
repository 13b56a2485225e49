import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot } from "../../build/setup/paths.mjs";

const packages = join(repositoryRoot, "dist", "test-packages");

/** The unpacked program that the tests of packages copy, install and drive. */
export const unpackedProgram = join(packages, "linux-unpacked");

/** Runs `npm run package` with these arguments. Throws with its words when it fails. */
export function makePackage(args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(repositoryRoot, "build", "package", "app", "main.mjs"), ...args], { encoding: "utf8", env: { ...process.env, ...environment } });
  if (status !== 0) throw new Error(`npm run package ended with status ${String(status)}.\n${stdout}\n${stderr}`);
  return stdout;
}

/** Runs once before the tests of packages. */
export default function packageOnce(): void {
  makePackage(["--dir", "--inspectable", "--output", packages]);
}
