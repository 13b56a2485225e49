import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { renderedOutputs } from "../../contract/document/testing/hour-document.ts";
import { sampleDocument } from "../../contract/document/testing/sample-document.ts";
import { FaultError } from "../common/fault-error.ts";
import { exportBytes, freeBytesOf, renderBytes, requireRoomToExport, requireRoomToRender } from "./disk-room.ts";
import { planRender } from "./render-plan.ts";

const document = sampleDocument();
const nothing = renderBytes(planRender(document, "final", { kind: "all" }, []), document, "final", []);
const codeOf = async (promise: Promise<void>): Promise<string> => promise.then(() => "fits", (error: unknown) => (error instanceof FaultError ? error.fault.code : String(error)));

test("a render needs room for its pictures and sound, less where clips are there already, and more when it is larger", () => {
  // 300 frames, 12 s: 3.4 MB of sound, and at most 704 x 384 pixels at 0.15 bits, with a quarter to spare.
  const pictures = (300 * 704 * 384 * 0.15) / 8;
  expect(nothing).toBeGreaterThan(12 * 280_000 + 0.5 * pictures);
  expect(nothing).toBeLessThan(12 * 400_000 + 1.3 * pictures);
  const outputs = renderedOutputs(document, "final");
  expect(renderBytes(planRender(document, "final", { kind: "all" }, outputs), document, "final", outputs)).toBe(0);
  const half = outputs.map((output) => ({ ...output, clips: output.clips.slice(0, 1) }));
  const rest = renderBytes(planRender(document, "final", { kind: "all" }, half), document, "final", half);
  expect(rest).toBeGreaterThan(0);
  expect(rest).toBeLessThan(nothing);
  const large = { ...document, settings: { ...document.settings, final: { width: 1408, height: 768, sampleSteps: 4 } } };
  expect(renderBytes(planRender(large, "final", { kind: "all" }, []), large, "final", [])).toBeGreaterThan(nothing);
});

test("a render is refused below what it needs and a reserve, with both figures", async () => {
  const judge = (free: number): Promise<string> => codeOf(requireRoomToRender(() => Promise.resolve(free), "/projects/p", "final", 2e9));
  expect(await judge(2.2e9)).toBe("DISK_TOO_SMALL");
  // Also the saved states need some of what is free.
  expect(await judge(2.31e9)).toBe("DISK_TOO_SMALL");
  expect(await judge(2.5e9)).toBe("fits");
  const error: unknown = await requireRoomToExport(() => Promise.resolve(1.2e9), "/x", 1e9).catch((reason: unknown) => reason);
  expect(error instanceof FaultError ? error.fault.why : "").toBe("About 1.3 GB are needed, with some room to spare, and 1.2 GB are free.");
});

test("an export needs what its clips and its sound take", async () => {
  const folder = mkdtempSync(join(tmpdir(), "avatar-studio-room-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clips = ["a", "b"].map((name) => ({ path: join(folder, name), frames: 48, contentHash: name }));
  for (const { path } of clips) writeFileSync(path, Buffer.alloc(1_000_000));
  const plan = { span: { start: 0, end: 96 }, takes: [{ start: 0, frames: 96, width: 640, height: 384, initPath: "", clips }], staleClips: 0 };
  const mp4 = await exportBytes({ format: "mp4", range: null }, plan);
  expect(mp4).toBeGreaterThan(2_000_000);
  expect(mp4).toBeLessThan(3_000_000);
  expect(await exportBytes({ format: "wav", range: null }, plan)).toBe(3.84 * 192_000);
  const excerpt = (width: number): Promise<number> => exportBytes({ format: "gif", range: { start: 0, end: 96 }, width }, plan);
  expect(await excerpt(640)).toBe(4 * (await excerpt(320)));
  expect(await exportBytes({ format: "png", frame: 3 }, plan)).toBe(640 * 384 * 4);
});

test("the disk of a folder that is yet to be made is that of the one it will be in", async () => {
  const here = tmpdir();
  const { bavail, bsize } = statfsSync(here);
  const found = await freeBytesOf(join(here, "not", "there", "yet"));
  expect(Math.abs(found - bavail * bsize)).toBeLessThan(1e9);
});
