import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { demoArguments } from "../../build/demo-arguments.mjs";
import { repositoryRoot } from "../../build/setup/paths.mjs";
import type { RuntimeReport } from "../../electron/contract/runtime.schema.ts";
import { startStudio } from "../support/studio.ts";
import { connectTo, type StudioClient } from "../support/studio-client.ts";

/**
 * Installs engine archives one after the other by a real studio server, as the set-up page does: `npm run bench -- runtime-archives INDEX.json…`. Tells how long each step
 * took, what is on the disk, and what the trial says of this machine; compares every file of the last one, makes the demo video with it, and goes back to the one before.
 * Ends with 1 when a step fails. Wants room for what is unpacked in the system's folder for temporary files (TMPDIR names another).
 */
const archives = process.argv.slice(2).map((path) => resolve(path));
if (archives.length === 0) throw new Error("Name the index (.json) of one or more archives.");

const home = mkdtempSync(join(tmpdir(), "avatar-studio 名前 "));
const installation = join(home, "program");
mkdirSync(installation);
mkdirSync(join(home, "data"));
symlinkSync(join(repositoryRoot, "resources"), join(installation, "resources"));
// Neither a named runtime nor the checkout's own may be found: an installed one is used.
delete process.env.AVATAR_STUDIO_RUNTIME;
const studio = await startStudio({ dataFolder: join(home, "data"), arguments: ["--installation", installation] }).catch((error: unknown) => {
  rmSync(home, { recursive: true, force: true });
  throw error;
});
try {
  const client = await connectTo(studio.link);
  for (const [number, path] of archives.entries()) {
    studio.child.send({ kind: "register-path", requestId: number + 1, path, access: "read" });
    const [{ handle }] = (await once(studio.child, "message")) as [{ readonly handle: string }];
    const { archiveId } = await client.rpc.runtime.add({ handle });
    const found = (await firstReport(client, () => true)).archives.find((one) => one.id === archiveId);
    console.log(`\n${found?.name ?? path}: ${megabytes(found?.bytes ?? 0)} in the archive, ${megabytes(found?.unpackedBytes ?? 0)} unpacked`);
    await client.rpc.runtime.install({ archiveId });
    await followed(client, "RUNTIME_INSTALLED", found?.name);
  }
  await client.rpc.runtime.verify();
  await followed(client, "RUNTIME_VERIFIED");
  const { current, previous, folder } = await firstReport(client, ({ activity }) => activity.kind !== "working");
  console.log(`in use: ${current?.name ?? "none"}; kept: ${previous ?? "none"}; on the disk: ${megabytes(diskBytes(folder))}`);
  if (current === null) throw new Error("No runtime is in use.");
  await makeVideo(current.folder);
  if (previous !== null) {
    await client.rpc.runtime.goBack();
    await followed(client, "RUNTIME_WENT_BACK");
    const now = await firstReport(client, ({ current: one }) => one?.name === previous);
    await makeVideo(now.current?.folder ?? "");
  }
  client.close();
} finally {
  await studio.stop();
  rmSync(home, { recursive: true, force: true });
}

/** The first report that fits. */
async function firstReport(client: StudioClient, fits: (report: RuntimeReport) => boolean): Promise<RuntimeReport> {
  for await (const report of await client.rpc.runtime.watch()) if (fits(report)) return report;
  throw new Error("The studio ended.");
}

/** Tells every step of what goes on, with its time, until this is done; what was done before is passed over. */
async function followed(client: StudioClient, code: string, name?: string): Promise<void> {
  const begun = performance.now();
  let step = "";
  let stepBegun = begun;
  const told = (): void => {
    if (step !== "") console.log(`  ${step}: ${seconds(stepBegun)}`);
  };
  for await (const { activity } of await client.rpc.runtime.watch()) {
    if (activity.kind === "working" && activity.said.text !== step) {
      told();
      [step, stepBegun] = [activity.said.text, performance.now()];
    }
    if (activity.kind === "failed") throw new Error(`${activity.fault.what} ${activity.fault.why} ${activity.fault.hint}`);
    if (activity.kind !== "done" || activity.said.code !== code || (name !== undefined && activity.said.values.name !== name)) continue;
    told();
    console.log(`  ${activity.said.code}: ${seconds(begun)}`);
    if (activity.warning !== null) console.log(`  ${activity.warning.code}: ${activity.warning.what} ${activity.warning.why} ${activity.warning.hint}`);
    return;
  }
}

/** With nothing in its environment, and no program of the system in its path. */
async function makeVideo(runtime: string): Promise<void> {
  const video = join(home, "demo.mp4");
  const begun = performance.now();
  const { args } = demoArguments(repositoryRoot, ["--num_clip", "1", "--save_file", video]);
  const child = spawn(join(runtime, "bin", "python3"), ["-I", "-X", "utf8", "-m", "live_avatar", ...args], { cwd: home, env: { HOME: home, PATH: "/nonexistent", OMP_NUM_THREADS: "2" }, stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`The demo render ended with ${String(code)}.`);
  console.log(`  demo video: ${megabytes(statSync(video).size)}, ${seconds(begun)}`);
  rmSync(video);
}

function diskBytes(folder: string): number {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return paths.reduce((sum, path) => sum + lstatSync(join(folder, path)).blocks * 512, 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
