import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProjectDocument } from "../../electron/contract/document/project-document.schema.ts";
import { startStudio, type Studio } from "../support/studio.ts";
import { connectTo, faultOfCall, sessionCookieOf, type StudioClient } from "../support/studio-client.ts";
import { expectNothingLeaked, rawRequest } from "./raw-request.ts";

const SECRET = "the secret of this machine";
let studio: Studio;
let client: StudioClient;
let headers: Record<string, string>;
let projectId: string;
let folder: string;
let document: ProjectDocument;
beforeAll(async () => {
  studio = await startStudio();
  client = await connectTo(studio.link);
  headers = { host: new URL(studio.origin).host, cookie: client.cookie };
  writeFileSync(join(studio.dataFolder, "secret.png"), SECRET);
  ({ projectId } = await client.rpc.projects.create({ name: "Paths", example: "anna" }));
  ({ folder, document } = await client.rpc.projects.open({ kind: "id", projectId }));
});
afterAll(async () => {
  client.close();
  await studio.stop();
});

/** Ways to write "up" that servers have fallen for. */
const UPS = ["..", "%2e%2e", "%2E%2E", ".%2e", "..%00", "%252e%252e", "..%5c", "..\\", "%c0%ae%c0%ae", "．．", "....//"];

describe("../ in addresses", () => {
  test("no way up from any address leads to a file", async () => {
    for (const up of UPS.map((one) => encodeURI(one).replaceAll("%25", "%"))) {
      const climb = `${up}/`.repeat(8);
      const slashless = `${up}%2f`.repeat(8);
      const paths = [
        `/${climb}etc/passwd`,
        `/assets/${climb}etc/passwd`,
        `/files/${climb}etc/passwd`,
        `/files/${projectId}/media/${climb}etc/passwd`,
        `/files/${projectId}/media/${slashless}etc%2fpasswd`,
        `/files/${projectId}/media/${up}%2f${up}%2f${up}%2fsecret.png`,
        `/files/${up}%2f${up}/media/x`,
        `/files/${projectId}/takes/final/${slashless}etc/init/x`,
        `/files/${projectId}/takes/${slashless}/x/init/x`,
        `/files/${projectId}/peaks/${slashless}etc/0`,
        `/examples/${climb}etc/passwd`,
        `/examples/${slashless}etc/portrait`,
        `/examples/anna/${slashless}etc%2fpasswd`,
        `/downloads/${slashless}etc%2fpasswd/x`,
      ];
      for (const path of paths) {
        const answer = await rawRequest(studio, path, { headers });
        expect([400, 404, 405, 409, 503], path).toContain(answer.status);
        expect(answer.body).not.toContain(SECRET);
        expect(answer.body).not.toContain("root:");
        expectNothingLeaked(answer.body, studio);
      }
    }
  });

  test("absolute paths, drives, UNC and null bytes lead nowhere", async () => {
    for (const path of ["//etc/passwd", "/%2fetc%2fpasswd", "/C:%5cwindows%5cwin.ini", "/%5c%5cserver%5cshare", "/index.html%00.png", "/files/%00/media/%00", "/.vite/manifest.json", "/assets/.hidden", "/%zz", "/files/%ff/media/x"]) {
      const answer = await rawRequest(studio, path, { headers });
      expect([400, 404, 409, 503], path).toContain(answer.status);
      expect(answer.body).not.toContain("root:");
      expectNothingLeaked(answer.body, studio);
    }
  });
});

describe("links in a project's folder", () => {
  const image = (): ProjectDocument["media"][number] => document.media.find((media) => media.kind === "image")!;

  test("a media file that is a link is not served, counts as missing, and stops a render", async () => {
    const path = join(folder, image().path);
    const content = readFileSync(path);
    for (const target of [join(studio.dataFolder, "secret.png"), "/etc/passwd", "../../../secret.png"]) {
      rmSync(path);
      symlinkSync(target, path);
      for (const kind of ["media", "picture"]) {
        const answer = await rawRequest(studio, `/files/${projectId}/${kind}/${image().id}${kind === "picture" ? "/120" : ""}`, { headers });
        expect([404, 409]).toContain(answer.status);
        expect(answer.body).not.toContain(SECRET);
        expectNothingLeaked(answer.body, studio);
      }
      expect((await client.rpc.projects.open({ kind: "id", projectId })).missingMedia).toEqual([image().id]);
      expect((await faultOfCall(client.rpc.jobs.render({ projectId, quality: "preview", scope: { kind: "all" } }))).code).toBe("MEDIA_MISSING");
    }
    rmSync(path);
    writeFileSync(path, content);
    expect((await rawRequest(studio, `/files/${projectId}/media/${image().id}`, { headers })).status).toBe(200);
  });

  test("a media folder that is a link is not followed", async () => {
    const { projectId: other } = await client.rpc.projects.create({ name: "Linked folder", example: "anna" });
    const opened = await client.rpc.projects.open({ kind: "id", projectId: other });
    const elsewhere = join(studio.dataFolder, "elsewhere");
    mkdirSync(elsewhere);
    for (const media of opened.document.media) writeFileSync(join(elsewhere, media.path.slice("media/".length)), SECRET);
    rmSync(join(opened.folder, "media"), { recursive: true });
    symlinkSync(elsewhere, join(opened.folder, "media"));
    for (const media of opened.document.media) expect((await rawRequest(studio, `/files/${other}/media/${media.id}`, { headers })).body).not.toContain(SECRET);
    expect((await client.rpc.projects.open({ kind: "id", projectId: other })).missingMedia).toHaveLength(2);
  });

  test("a copy of the project takes no link along", async () => {
    const path = join(folder, image().path);
    const content = readFileSync(path);
    rmSync(path);
    symlinkSync(join(studio.dataFolder, "secret.png"), path);
    const { url } = await client.rpc.projects.collect({ projectId, target: { kind: "download" } });
    const tar = Buffer.from(await (await client.fetch(url ?? "")).arrayBuffer());
    expect(tar.length).toBeGreaterThan(10_000);
    expect(tar.includes(SECRET)).toBe(false);
    rmSync(path);
    writeFileSync(path, content);
  });
});

test("a link among the page's own files leads nowhere", async () => {
  const page = join(studio.dataFolder, "page");
  mkdirSync(join(page, "assets"), { recursive: true });
  writeFileSync(join(page, "index.html"), "<!doctype html>the page");
  writeFileSync(join(page, "assets", "main.js"), "1");
  symlinkSync(join(studio.dataFolder, "secret.png"), join(page, "assets", "link.png"));
  symlinkSync(studio.dataFolder, join(page, "up"));
  const other = await startStudio({ arguments: ["--page", page] });
  try {
    const cookie = await sessionCookieOf(other.link);
    const ask = (path: string) => rawRequest(other, path, { headers: { host: new URL(other.origin).host, cookie } });
    expect((await ask("/")).body).toContain("the page");
    expect((await ask("/assets/main.js")).status).toBe(200);
    for (const path of ["/assets/link.png", "/up/secret.png", "/up", "/assets", "/assets/"]) {
      const answer = await ask(path);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).not.toContain(SECRET);
    }
  } finally {
    await other.stop();
  }
});

describe("paths in requests", () => {
  test("documents whose media point elsewhere are refused", async () => {
    const opened = await client.rpc.projects.open({ kind: "id", projectId });
    for (const path of ["/etc/passwd", "../secret.png", "media/../../secret.png", "media/a/b.png", "media\\..\\x", "media/..", "media/\0", "C:\\x.png", "media/"]) {
      const media = opened.document.media.map((one, index) => (index === 0 ? { ...one, path } : one));
      const fault = await faultOfCall(client.rpc.projects.save({ projectId, baseRevision: opened.revision, windowId: "w", document: { ...opened.document, media } }));
      expect(fault).toMatchObject({ code: "BAD_INPUT" });
      expectNothingLeaked(JSON.stringify(fault), studio);
    }
  });

  test("paths in place of handles, uploads and examples are refused", async () => {
    const sources = [
      { kind: "handle", handle: "/etc/passwd" },
      { kind: "handle", handle: "__proto__" },
      { kind: "upload", uploadId: "../secret.png" },
      { kind: "upload", uploadId: "/etc/passwd" },
      { kind: "example", example: "../../..", file: "portrait" },
      { kind: "example", example: "constructor", file: "voice" },
    ] as const;
    for (const source of sources) expect((await faultOfCall(client.rpc.media.import({ projectId, source }))).code).toMatch(/_UNKNOWN$/);
    expect((await faultOfCall(client.rpc.projects.open({ kind: "handle", handle: "/etc" }))).code).toBe("HANDLE_UNKNOWN");
    expect((await faultOfCall(client.rpc.projects.collect({ projectId, target: { kind: "handle", handle: "/tmp/x" } }))).code).toBe("HANDLE_UNKNOWN");
    expect((await faultOfCall(client.rpc.projects.open({ kind: "id", projectId: "../../x" }))).code).toBe("BAD_INPUT");
  });
});
