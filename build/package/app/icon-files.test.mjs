import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../../setup/paths.mjs";

const icons = join(repositoryRoot, "resources", "icons");
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Width and height as a PNG's own header tells them. */
const sizeOf = (/** @type {Buffer} */ png) => {
  assert.deepEqual(png.subarray(0, 8), PNG);
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
};

test("Linux: every size is the size that its name says", () => {
  for (const name of readdirSync(join(icons, "linux"))) assert.equal(sizeOf(readFileSync(join(icons, "linux", name))).join("x") + ".png", name);
});

test("Windows: each entry leads to a picture of its size", () => {
  const file = readFileSync(join(icons, "icon.ico"));
  const count = file.readUInt16LE(4);
  assert.ok(count >= 4);
  const sizes = Array.from({ length: count }, (_, index) => {
    const entry = 6 + 16 * index;
    const offset = file.readUInt32LE(entry + 12);
    const [width] = sizeOf(file.subarray(offset, offset + file.readUInt32LE(entry + 8)));
    assert.equal(file.readUInt8(entry) || 256, width);
    return width;
  });
  assert.ok([16, 32, 48, 256].every((pixels) => sizes.includes(pixels)));
});

test("macOS: blocks fill the file exactly, up to 1024 pixels", () => {
  const file = readFileSync(join(icons, "icon.icns"));
  assert.equal(file.toString("latin1", 0, 4), "icns");
  assert.equal(file.readUInt32BE(4), file.length);
  const kinds = new Map();
  for (let at = 8; at < file.length; at += file.readUInt32BE(at + 4)) kinds.set(file.toString("latin1", at, at + 4), sizeOf(file.subarray(at + 8))[0]);
  assert.equal(kinds.get("ic10"), 1024);
  assert.equal(kinds.get("ic07"), 128);
});
