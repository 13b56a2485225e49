import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastCheck from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newDocument } from "../../contract/document/new-document.ts";
import { silentLogger } from "../common/logger.ts";
import { type Backup, backupsToDelete } from "./backup-policy.ts";
import { addBackup, backupTexts } from "./backups.ts";
import { freeName, safeFileName } from "./folder-names.ts";
import { keyOfEvent, openLiveProject } from "./live-project.ts";
import { removeUnusedMedia } from "./media-files.ts";
import { parseProject, projectText } from "./project-file.ts";
import { loadProject } from "./read-project.ts";
import { tarBytes, type TarEntry, writeTar } from "./tar-writer.ts";
import { createWastebasket } from "./wastebasket.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "projects-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const HOUR = 3_600_000;
const document = newDocument({ id: "p1", name: "Test", audioTrackId: "a1", audioTrackName: "Voice", baseSeed: 1 });

describe("which backups are kept", () => {
  const kept = (backups: readonly Backup[], now: number): readonly number[] => {
    const gone = new Set(backupsToDelete(backups, now));
    return backups.filter((backup) => !gone.has(backup)).map((backup) => backup.sequence);
  };

  test("the newest ten, then one an hour and one a day, for a month", () => {
    const now = 1_000 * 24 * HOUR;
    const everyThreeMinutes = Array.from({ length: 40 * 24 * 20 }, (_, index) => ({ sequence: index + 1, at: now - (40 * 24 * 20 - index) * 180_000 }));
    const left = kept(everyThreeMinutes, now);
    const last = everyThreeMinutes.length;
    expect(left.slice(-10)).toEqual(Array.from({ length: 10 }, (_, index) => last - 9 + index));
    expect(left.length).toBeLessThanOrEqual(60);
    const ages = left.map((sequence) => (now - (everyThreeMinutes[sequence - 1]?.at ?? 0)) / HOUR);
    expect(ages.filter((age) => age > 1 && age < 24).length).toBeGreaterThanOrEqual(22);
    expect(ages.filter((age) => age > 24).length).toBeGreaterThanOrEqual(20);
    expect(Math.max(...ages)).toBeLessThan(31 * 24);
  });

  test("whatever the clocks said: never none, never the newest, at most sixty, and deciding again changes nothing", () => {
    const backups = fastCheck.array(fastCheck.record({ sequence: fastCheck.integer({ min: 1, max: 1e6 }), at: fastCheck.integer({ min: 0, max: 4e12 }) }), { minLength: 1, maxLength: 200 }).map((list) => [...new Map(list.map((one) => [one.sequence, one])).values()]);
    fastCheck.assert(
      fastCheck.property(backups, fastCheck.integer({ min: 0, max: 4e12 }), (list, now) => {
        const left = kept(list, now);
        const newest = list.map((one) => one.sequence).sort((one, other) => other - one).slice(0, 10);
        expect(left).toEqual(expect.arrayContaining(newest));
        expect(left.length).toBeLessThanOrEqual(60);
        expect(kept(list.filter((one) => left.includes(one.sequence)), now)).toEqual(left);
      }),
    );
  });

  test("on disk: numbered on, newest first, others' files left alone", async () => {
    mkdirSync(join(folder, "backups"));
    writeFileSync(join(folder, "backups", "notes.txt"), "mine");
    for (let index = 0; index < 15; index += 1) await addBackup(folder, `text ${String(index)}`, 1_000 * HOUR + index);
    const texts: string[] = [];
    for await (const { text } of backupTexts(folder)) texts.push(text);
    expect(texts.slice(0, 3)).toEqual(["text 14", "text 13", "text 12"]);
    expect(texts.length).toBeLessThan(13);
    expect(readFileSync(join(folder, "backups", "notes.txt"), "utf8")).toBe("mine");
  });
});

describe("names of folders", () => {
  test("work on every system and still read like the name", () => {
    const names = ["My film", "a/b\\c:d*e?f\"g<h>i|j", "  spaces  ", "...", "con", "LPT1.txt", "", "\0", "名前", "x".repeat(500), "名".repeat(500), "ends with dot.", "👩‍👧".repeat(100)];
    for (const name of names) {
      const safe = safeFileName(name, "Project");
      expect(safe).toMatch(/^[^<>:"/\\|?*\p{Cc}]+$/u);
      expect(safe).not.toMatch(/^[. ]|[. ]$|^(con|lpt1)(\.|$)/i);
      expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(150);
      expect(Buffer.from(safe).toString()).toBe(safe);
      mkdirSync(join(folder, safe), { recursive: true });
    }
    expect([safeFileName("My film", "P"), safeFileName("名前", "P"), safeFileName("../..", "P")]).toEqual(["My film", "名前", "P"]);
  });

  test("a taken name is counted on", async () => {
    mkdirSync(join(folder, "Film"));
    mkdirSync(join(folder, "Film 2"));
    expect(await freeName(folder, "Film")).toBe("Film 3");
  });
});

describe("the project's file", () => {
  test("reads what it wrote, with unknown fields", () => {
    const strange = { ...document, ofTheFuture: { a: [1, 2] }, prompts: [{ id: "s1", start: 0, duration: 1, text: "x", mood: "new" }] };
    expect(parseProject(projectText(strange, 41))).toEqual({ kind: "ok", document: strange, revision: 41, migratedFrom: null });
  });

  test("a revision that is none counts as the first", () => {
    for (const revision of ["x", -1, 1.5, null, 1e300]) expect(parseProject(JSON.stringify({ ...document, revision }))).toMatchObject({ kind: "ok", revision: 0 });
  });

  test("any text is judged, none throws", () => {
    const mutations = fastCheck.record({ at: fastCheck.nat(3_000), length: fastCheck.nat(20), text: fastCheck.string({ maxLength: 10 }) });
    const text = projectText(document, 1);
    fastCheck.assert(fastCheck.property(mutations, ({ at, length, text: other }) => void parseProject(text.slice(0, at) + other + text.slice(at + length))));
    fastCheck.assert(fastCheck.property(fastCheck.json(), (json) => parseProject(json).kind === "damaged"));
  });
});

describe("an open project", () => {
  const opened = async () => {
    writeFileSync(join(folder, "project.avatar"), projectText(document, 0));
    const loaded = await loadProject(folder);
    return openLiveProject(loaded, { folder, writtenRevision: 0, logger: silentLogger });
  };
  const onDisk = () => parseProject(readFileSync(join(folder, "project.avatar"), "utf8"));

  test("writes the newest of many changes, and says so", async () => {
    const project = await opened();
    let revision = 0;
    for (let count = 1; count <= 50; count += 1) revision = await project.save(revision, "w", { ...document, name: `Name ${String(count)}` });
    expect(revision).toBe(50);
    expect(await project.flush()).toBe(50);
    expect(onDisk()).toMatchObject({ revision: 50, document: { name: "Name 50" } });
    const kinds = [];
    for await (const { event } of project.events.stream()) {
      kinds.push(event.kind);
      if (kinds.length === 2) break;
    }
    expect(kinds).toEqual(["saved", "written"]);
    await project.close();
  });

  test("of two windows that save on the same revision one is refused", async () => {
    const project = await opened();
    const outcomes = await Promise.allSettled([project.save(0, "one", { ...document, name: "One" }), project.save(0, "two", { ...document, name: "Two" })]);
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "rejected"]);
    await project.close();
    expect(onDisk()).toMatchObject({ revision: 1 });
  });

  test("a write that fails is told, and made up for", async () => {
    const project = await opened();
    await project.save(0, "w", { ...document, name: "Changed" });
    rmSync(folder, { recursive: true });
    await expect(project.flush()).rejects.toThrow();
    const failed = await project.events.stream().next();
    const second = project.events.stream();
    await second.next();
    expect([failed.value, (await second.next()).value]).toMatchObject([{ event: { kind: "saved" } }, { event: { kind: "write-failed", fault: { code: "PROJECT_MISSING" } } }]);
    mkdirSync(folder);
    expect(await project.flush()).toBe(1);
    expect(onDisk()).toMatchObject({ document: { name: "Changed" } });
    await project.close();
  });

  test("a file put there by somebody else is kept; what was not written is kept as a backup", async () => {
    const project = await opened();
    await project.save(0, "w", { ...document, name: "Ours" });
    rmSync(join(folder, "project.avatar"));
    writeFileSync(join(folder, "project.avatar"), projectText({ ...document, name: "Theirs, and longer" }, 7));
    await expect(project.flush()).rejects.toMatchObject({ fault: { code: "PROJECT_CHANGED_ELSEWHERE" } });
    expect(onDisk()).toMatchObject({ document: { name: "Theirs, and longer" } });
    const texts = [];
    for await (const { text } of backupTexts(folder)) texts.push(text);
    expect(texts.some((text) => text.includes("Ours"))).toBe(true);
    await project.close().catch(() => undefined);
  });

  test("a read-only project refuses changes", async () => {
    const project = openLiveProject({ ...(await loadedProject()), readOnly: true }, { folder, writtenRevision: 0, logger: silentLogger });
    await expect(project.save(0, "w", document)).rejects.toMatchObject({ fault: { code: "PROJECT_READ_ONLY" } });
    await project.close();
  });

  const loadedProject = async () => {
    writeFileSync(join(folder, "project.avatar"), projectText(document, 0));
    return loadProject(folder);
  };

  test("every kind of event has its key", () => {
    expect(keyOfEvent({ kind: "written", revision: 1 })).toBe(keyOfEvent({ kind: "write-failed", fault: { code: "X", what: "", why: "", hint: "", field: null } }));
    expect(keyOfEvent({ kind: "missing-media", mediaIds: [] })).not.toBe(keyOfEvent({ kind: "written", revision: 1 }));
  });
});

test("unused imports go after a week, unless a backup names them; other files stay", async () => {
  mkdirSync(join(folder, "media"));
  const [used, backedUp, unused, foreign] = ["media/a-00000001.png", "media/b-00000002.png", "media/c-00000003.png", "media/holiday.png"] as const;
  for (const path of [used, backedUp, unused, foreign]) writeFileSync(join(folder, path), "x");
  const withMedia = (path: string) => ({ ...document, media: [{ kind: "image" as const, id: "m1", path, name: "x", bytes: 1, sha256: "0".repeat(64), width: 64, height: 64 }] });
  await addBackup(folder, projectText(withMedia(backedUp), 1), Date.now());
  const inDays = (days: number): Promise<void> => removeUnusedMedia(folder, withMedia(used), backupTexts(folder), Date.now() + days * 24 * HOUR);
  await inDays(6);
  expect([used, backedUp, unused, foreign].map((path) => existsSync(join(folder, path)))).toEqual([true, true, true, true]);
  await inDays(8);
  expect([used, backedUp, unused, foreign].map((path) => existsSync(join(folder, path)))).toEqual([true, true, false, true]);
});

/** A disk of two megabytes; needs the right to mount one. */
const smallDisk = (): boolean => process.platform === "linux" && process.getuid?.() === 0 && spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]).status === 0;

test("a full disk: the save fails in words, the old file stays whole, and the change is written once there is room", async ({ skip }) => {
  if (!smallDisk()) skip("a small disk cannot be made here");
  try {
    writeFileSync(join(folder, "project.avatar"), projectText(document, 0));
    const project = openLiveProject(await loadProject(folder), { folder, writtenRevision: 0, logger: silentLogger });
    const fill = openSync(join(folder, "filler"), "w");
    expect(() => {
      for (;;) writeSync(fill, Buffer.alloc(4_096));
    }).toThrow("ENOSPC");
    closeSync(fill);
    await project.save(0, "w", { ...document, filler: "x".repeat(100_000) });
    await expect(project.flush()).rejects.toMatchObject({ code: "ENOSPC" });
    expect(parseProject(readFileSync(join(folder, "project.avatar"), "utf8"))).toMatchObject({ kind: "ok", revision: 0 });
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
    const events = project.events.stream();
    await events.next();
    expect((await events.next()).value).toMatchObject({ event: { kind: "write-failed", fault: { code: "DISK_FULL" } } });
    rmSync(join(folder, "filler"));
    expect(await project.flush()).toBe(1);
    await project.close();
    expect(parseProject(readFileSync(join(folder, "project.avatar"), "utf8"))).toMatchObject({ kind: "ok", revision: 1 });
  } finally {
    spawnSync("umount", [folder]);
  }
});

test("an archive is unpacked by the system's tar, with long and foreign names", async () => {
  const contents = new Map([
    ["Film/project.avatar", "{}"],
    [`Film/media/${"long ".repeat(30)}.wav`, "x".repeat(1_537)],
    ["Film/media/录音 1.wav", "y".repeat(512)],
    ["Film/media/empty.png", ""],
  ]);
  const entries: TarEntry[] = [...contents].map(([name, content], index) => {
    const path = join(folder, `source ${String(index)}`);
    writeFileSync(path, content);
    return { name, path, bytes: statSync(path).size, changedAt: Date.UTC(2026, 0, 31) };
  });
  const archive = join(folder, "film.tar");
  const file = await open(archive, "w");
  await writeTar(file, entries);
  await file.close();
  expect(statSync(archive).size).toBe(tarBytes(entries));
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync("tar", ["-xf", archive, "-C", out]);
  for (const [name, content] of contents) expect(readFileSync(join(out, name), "utf8")).toBe(content);
});

test("the wastebasket gives back, beside what took the place meanwhile", async () => {
  const basket = createWastebasket(join(folder, "basket"));
  const place = join(folder, "Film");
  mkdirSync(place);
  writeFileSync(join(place, "project.avatar"), "x");
  await basket.put({ id: "p1", name: "Film", folder: place });
  mkdirSync(place);
  await basket.empty();
  expect(await basket.restore("p1")).toBe(join(folder, "Film 2"));
  expect(readFileSync(join(folder, "Film 2", "project.avatar"), "utf8")).toBe("x");
  await expect(basket.restore("p1")).rejects.toMatchObject({ fault: { code: "NOT_IN_WASTEBASKET" } });
});
