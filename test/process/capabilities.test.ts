import { mkdirSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, faultOfCall, type StudioClient } from "../support/studio-client.ts";

let studio: Studio;
let client: StudioClient;
beforeAll(async () => {
  studio = await startStudio();
  client = await connectTo(studio.link);
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

async function first<T>(stream: Promise<AsyncIteratorObject<T>>, fits: (value: T) => boolean): Promise<T> {
  for await (const value of await stream) if (fits(value)) return value;
  throw new Error("The stream ended.");
}

test("the program tells what it is", async () => {
  expect(await client.rpc.system.info()).toMatchObject({ mode: "desktop", platform: process.platform, dataFolder: studio.dataFolder, demoModelOnly: true, version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string });
});

test("machine, models and set-up are told, and come to rest", async () => {
  const machine = await first(client.rpc.hardware.watch(), (report) => report.memory.totalBytes > 0);
  expect(machine.disk.freeBytes).toBeGreaterThan(0);
  expect(await client.rpc.models.list()).toMatchObject([{ id: "demo", kind: "demo" }]);
  const checks = await first(client.rpc.system.setupChecks(), (list) => list.every((check) => check.state.kind !== "checking"));
  expect(checks.find((check) => check.id === "runtime")?.state.kind).toBe("ok");
  expect(checks.find((check) => check.id === "engine")?.state.kind).toBe("ok");
  expect((await faultOfCall(client.rpc.system.fix({ checkId: "unknown" }))).code).toBe("FIX_UNKNOWN");
});

test("material and prompts are judged by the engine", async () => {
  const { projectId } = await client.rpc.projects.create({ name: "Checks", example: "anna" });
  const { document } = await client.rpc.projects.open({ kind: "id", projectId });
  const portrait = await client.rpc.media.check({ projectId, mediaId: document.media[0]?.id ?? "", quality: "final" });
  expect(portrait.findings.length).toBeGreaterThan(0);
  expect(portrait.videoSize).not.toBeNull();
  expect((await client.rpc.media.check({ projectId, mediaId: document.media[1]?.id ?? "", quality: "final" })).findings.length).toBeGreaterThan(0);
  expect((await client.rpc.media.checkPrompt({ text: "one two" })).some((finding) => finding.severity === "warning")).toBe(true);
  const estimate = await client.rpc.render.estimate({ projectId, quality: "preview", scope: { kind: "all" } });
  expect(estimate.clips).toBeGreaterThan(0);
});

test("a report for others has no paths, names or prompts in it", async () => {
  const { projectId } = await client.rpc.projects.create({ name: "Secret wedding film", example: "ben" });
  const { document } = await client.rpc.projects.open({ kind: "id", projectId });
  expect(await client.rpc.diagnostics.troubles()).toBeInstanceOf(Array);
  const { text } = await client.rpc.diagnostics.report({ withPaths: false, withPrompts: false });
  expect(text).toContain("Avatar Studio");
  for (const secret of [studio.dataFolder, homedir() + "/", hostname(), "Secret wedding film", document.prompts[0]?.text ?? ""]) expect(text).not.toContain(secret);
});

test("settings are kept, watched, and wrong ones refused", async () => {
  const watched = await client.rpc.settings.watch();
  await watched.next();
  await client.rpc.settings.change({ theme: "dark", playerVolume: 0.5 });
  expect((await watched.next()).value).toMatchObject({ theme: "dark", playerVolume: 0.5, language: "system" });
  expect((await faultOfCall(client.rpc.settings.change({ playerVolume: 7 }))).field).toBe("playerVolume");
  await watched.return();
});

test("a project is collected into a chosen folder, which is opened from there", async () => {
  const { projectId } = await client.rpc.projects.create({ name: "Collected", example: "mei" });
  const target = join(studio.dataFolder, "elsewhere", "copy");
  mkdirSync(target, { recursive: true });
  await client.rpc.projects.collect({ projectId, target: { kind: "handle", handle: await registered(target, "write") } });
  const copy = await client.rpc.projects.open({ kind: "handle", handle: await registered(join(target, "project.avatar"), "read") });
  expect(copy.missingMedia).toEqual([]);
  expect(copy.document.media).toEqual((await client.rpc.projects.open({ kind: "id", projectId })).document.media);
  expect((await faultOfCall(client.rpc.projects.collect({ projectId, target: { kind: "handle", handle: await registered(target, "write") } }))).code).toBe("TARGET_TAKEN");
});

/** As the shell does after a dialog. */
async function registered(path: string, access: "read" | "write"): Promise<string> {
  const requestId = Math.floor(Math.random() * 2 ** 31);
  return new Promise((resolve) => {
    const listen = (message: { readonly requestId?: number; readonly handle?: string }): void => {
      if (message.requestId !== requestId) return;
      studio.child.off("message", listen);
      resolve(message.handle ?? "");
    };
    studio.child.on("message", listen);
    studio.child.send({ kind: "register-path", requestId, path, access });
  });
}
