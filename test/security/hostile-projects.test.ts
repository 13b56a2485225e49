import { execFileSync } from "node:child_process";
import { mkdirSync, openSync, closeSync, ftruncateSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newDocument } from "../../electron/contract/document/new-document.ts";
import type { Fault } from "../../electron/contract/fault.schema.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, faultOfCall, type StudioClient } from "../support/studio-client.ts";
import { expectNothingLeaked } from "./raw-request.ts";

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

let count = 0;
/** A project folder whose file was not written by this program. */
function plant(text: string | Buffer): string {
  count += 1;
  const folder = join(studio.dataFolder, "outside", `planted ${count}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "project.avatar"), text);
  return folder;
}

/** As the shell does for a file that the user chose. */
async function handleFor(path: string): Promise<string> {
  const requestId = Math.floor(Math.random() * 2 ** 31);
  const answer = new Promise<string>((resolve) => {
    const listen = (message: { requestId?: number; handle?: string }): void => {
      if (message.requestId !== requestId) return;
      studio.child.off("message", listen);
      resolve(message.handle ?? "");
    };
    studio.child.on("message", listen);
  });
  studio.child.send({ kind: "register-path", requestId, path, access: "read" });
  return answer;
}

const serverKilobytes = (): number => Number(execFileSync("ps", ["-o", "rss=", "-p", `${studio.pid}`], { encoding: "utf8" }));
const openPath = async (path: string) => client.rpc.projects.open({ kind: "handle", handle: await handleFor(path) });
const refusal = async (text: string | Buffer): Promise<Fault> => {
  const folder = plant(text);
  const before = readFileSync(join(folder, "project.avatar"));
  const fault = await faultOfCall(openPath(join(folder, "project.avatar")));
  expectNothingLeaked(JSON.stringify(fault), studio);
  // Refused means left alone.
  expect(readFileSync(join(folder, "project.avatar")).equals(before)).toBe(true);
  return fault;
};

const good = () => newDocument({ id: `planted-${count}`, name: "Planted", audioTrackId: "a1", audioTrackName: "Voice", baseSeed: 1 });
const media = { kind: "image", id: "m1", path: "media/x.png", name: "x.png", bytes: 1, sha256: "0".repeat(64), width: 64, height: 64 };

describe("project files that this program did not write", () => {
  test("truncated, empty, or something else: refused, left alone", async () => {
    const text = JSON.stringify(good());
    for (const bad of [text.slice(0, -1), text.slice(0, 40), "", "null", "[]", "7", '"x"', "\0\0\0\0", Buffer.from([0x89, 0x50, 0x4e, 0x47]), "{}", '{"format":"other"}']) {
      expect((await refusal(bad)).code).toBe("PROJECT_DAMAGED");
    }
  });

  test("from a newer program: refused in words, left alone", async () => {
    const fault = await refusal(JSON.stringify({ ...good(), version: 2, tracks: "of the future" }));
    expect(fault.code).toBe("PROJECT_NEWER");
    expect(fault.hint).toContain("Update");
  });

  test("paths that lead out of the project are refused", async () => {
    for (const path of ["/etc/passwd", "../../etc/passwd", "media/../../../etc/passwd", "media/..", "C:\\Windows\\win.ini", "media/a/b", "\\\\server\\share"]) {
      expect((await refusal(JSON.stringify({ ...good(), media: [{ ...media, path }] }))).code).toBe("PROJECT_DAMAGED");
    }
  });

  test("prototype keys do nothing", async () => {
    const text = JSON.stringify({ ...good(), extra: 1 }).replace('"extra":1', '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"deep":{"__proto__":{"polluted":true}}');
    const folder = plant(text);
    const opened = await openPath(join(folder, "project.avatar"));
    expect(Object.hasOwn(opened.document, "__proto__")).toBe(false);
    expect((opened.document as Record<string, unknown>).polluted).toBeUndefined();
    await client.rpc.projects.save({ projectId: opened.document.id, baseRevision: opened.revision, windowId: "w", document: opened.document });
    await client.rpc.projects.flush({ projectId: opened.document.id });
    expect(readFileSync(join(folder, "project.avatar"), "utf8")).not.toContain("__proto__");
    expect(await client.rpc.settings.get()).not.toHaveProperty("polluted");
  });

  test("a million segments, a thousand levels, huge numbers and duplicate ids are refused in bounded time", async () => {
    const segments = (number: number): string => Array.from({ length: number }, (_, index) => `{"id":"s${index}","start":${index},"duration":1,"text":""}`).join(",");
    const withPrompts = (list: string): string => JSON.stringify({ ...good(), prompts: 0 }).replace('"prompts":0', `"prompts":[${list}]`);
    expect((await refusal(withPrompts(segments(1_000_000)))).code).toMatch(/^PROJECT_(TOO_LARGE|DAMAGED)$/);
    expect((await refusal(withPrompts(segments(300_000)))).code).toBe("PROJECT_DAMAGED");
    expect((await refusal(JSON.stringify({ ...good(), deep: 0 }).replace('"deep":0', `"deep":${"[".repeat(200_000)}${"]".repeat(200_000)}`))).code).toBe("PROJECT_DAMAGED");
    expect((await refusal(withPrompts('{"id":"s","start":1e308,"duration":1,"text":""}'))).code).toBe("PROJECT_DAMAGED");
    expect((await refusal(withPrompts('{"id":"s","start":0,"duration":1,"text":""},{"id":"s","start":1,"duration":1,"text":""}'))).code).toBe("PROJECT_DAMAGED");
    expect((await refusal(withPrompts('{"id":"../s","start":0,"duration":1,"text":""}'))).code).toBe("PROJECT_DAMAGED");
  });

  test("a file of a gigabyte is not read", async () => {
    const folder = plant("");
    const file = openSync(join(folder, "project.avatar"), "r+");
    ftruncateSync(file, 1024 ** 3);
    closeSync(file);
    const before = serverKilobytes();
    expect((await faultOfCall(openPath(folder))).code).toBe("PROJECT_TOO_LARGE");
    expect(serverKilobytes() - before).toBeLessThan(200 * 1024);
  });

  test("folders, links to nowhere and other files are no projects", async () => {
    const folder = plant(JSON.stringify(good()));
    writeFileSync(join(folder, "other.avatar"), JSON.stringify(good()));
    mkdirSync(join(studio.dataFolder, "outside", "empty"));
    mkdirSync(join(studio.dataFolder, "outside", "nested", "project.avatar"), { recursive: true });
    symlinkSync("/nowhere/project.avatar", join(studio.dataFolder, "outside", "empty", "project.avatar"));
    for (const path of [join(folder, "other.avatar"), "/etc/passwd", "/dev/zero", join(studio.dataFolder, "outside", "empty"), join(studio.dataFolder, "outside", "nested"), "/nowhere/project.avatar"]) {
      expect((await faultOfCall(openPath(path))).code).toMatch(/^(NOT_A_PROJECT|PROJECT_MISSING)$/);
    }
  });
});

describe("recovery", () => {
  test("a damaged file is replaced by the newest good backup, and kept beside it", async () => {
    const { projectId } = await client.rpc.projects.create({ name: "Recover", example: null });
    const opened = await client.rpc.projects.open({ kind: "id", projectId });
    await client.rpc.projects.save({ projectId, baseRevision: opened.revision, windowId: "w", document: { ...opened.document, name: "Recover me" } });
    await client.rpc.projects.flush({ projectId });
    expect(readdirSync(join(opened.folder, "backups")).length).toBeGreaterThan(0);
    // A copy of the folder stands for the state after a crash of the machine.
    const folder = join(studio.dataFolder, "outside", "recover");
    mkdirSync(join(folder, "backups"), { recursive: true });
    for (const name of readdirSync(join(opened.folder, "backups"))) writeFileSync(join(folder, "backups", name), readFileSync(join(opened.folder, "backups", name)));
    writeFileSync(join(folder, "backups", "999999-20260101T000000Z.avatar"), '{"format":');
    writeFileSync(join(folder, "project.avatar"), readFileSync(join(opened.folder, "project.avatar")).subarray(0, 100));
    const recovered = await openPath(folder);
    expect(recovered.notices.map((notice) => notice.code)).toEqual(["PROJECT_RECOVERED"]);
    expect(recovered.document.audioTracks).toEqual(opened.document.audioTracks);
    expect(readFileSync(join(folder, "project.avatar.damaged")).length).toBe(100);
    await client.rpc.projects.flush({ projectId: recovered.document.id });
    expect((JSON.parse(readFileSync(join(folder, "project.avatar"), "utf8")) as { id: string }).id).toBe(recovered.document.id);
    // It has the id of a project that is there too: it got one of its own.
    expect(recovered.document.id).not.toBe(projectId);
  });
});
